"""Faults are done to a real process, a real socket and both databases: the fixtures of the integration tests serve."""

import pytest

from tests.faults.sync_process import SyncProcesses
from tests.integration.conftest import migrated_database, migrated_file, migrated_url, store
from tests.integration.ehr.conftest import ehr, house, proxy, stub

__all__ = ["ehr", "house", "migrated_database", "migrated_file", "migrated_url", "proxy", "store", "stub"]


@pytest.fixture
def syncs(migrated_url: str):  # type: ignore[no-untyped-def]
    """Starts sync processes on this test's database, and leaves none behind."""
    processes = SyncProcesses(migrated_url)
    yield processes
    processes.end()
