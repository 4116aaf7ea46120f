"""Faults are done to a real process, a real socket and both databases, before the stub EHR and before the real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fault_scenario import FaultScenario, in_process_stub, scenario_against, unique_person_number
from tests.faults.processes.push_processes import PushProcesses
from tests.integration.conftest import migrated_copy, migrated_database, migrated_file, migrated_url, store
from tests.integration.ehr.conftest import ehr, harness, proxy, stub

__all__ = ["ehr", "harness", "migrated_database", "migrated_file", "migrated_url", "proxy", "store", "stub"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before HAPI each of these tests runs its first variant and its last: all of them run before the stub."""
    on_hapi: dict[str, list[pytest.Item]] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("scenario_also_on_hapi") == "hapi":
            on_hapi.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out = {id(item) for variants in on_hapi.values() for item in variants[1:-1]}
    config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
    items[:] = [item for item in items if id(item) not in left_out]


@pytest.fixture
def push_processes(migrated_url: str):  # type: ignore[no-untyped-def]
    """Starts sync processes on this test's database, and leaves none behind."""
    processes = PushProcesses(migrated_url)
    yield processes
    processes.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultScenario]:
    """A scene before the stub EHR, on each database."""
    with (
        migrated_copy(request.param, request, tmp_path) as database,
        in_process_stub() as address,
        scenario_against(address, database) as made,
    ):
        yield made


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("hapi", marks=pytest.mark.hapi)])
def scenario_also_on_hapi(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultScenario]:
    """A scene before the stub EHR on each database, and one before HAPI."""
    if request.param != "hapi":
        with (
            migrated_copy(request.param, request, tmp_path) as database,
            in_process_stub() as address,
            scenario_against(address, database) as made,
        ):
            yield made
        return
    hapi = request.getfixturevalue("hapi")
    with (
        migrated_copy("sqlite", request, tmp_path) as database,
        scenario_against(hapi.base_url, database, first=unique_person_number(), connections=4) as made,
    ):
        yield made
