"""Faults are done to a real process, a real socket and both databases, before the stub EHR and before the real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene, scene_before, someone, stub_in_this_process
from tests.faults.sync_process import SyncProcesses
from tests.integration.conftest import migrated_copy, migrated_database, migrated_file, migrated_url, store
from tests.integration.ehr.conftest import ehr, house, proxy, stub

__all__ = ["ehr", "house", "migrated_database", "migrated_file", "migrated_url", "proxy", "store", "stub"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before HAPI each of these tests runs its first variant and its last: all of them run before the stub."""
    on_hapi: dict[str, list[pytest.Item]] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("scene_also_on_hapi") == "hapi":
            on_hapi.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out = {id(item) for variants in on_hapi.values() for item in variants[1:-1]}
    config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
    items[:] = [item for item in items if id(item) not in left_out]


@pytest.fixture
def syncs(migrated_url: str):  # type: ignore[no-untyped-def]
    """Starts sync processes on this test's database, and leaves none behind."""
    processes = SyncProcesses(migrated_url)
    yield processes
    processes.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene before the stub EHR, on each database."""
    with (
        migrated_copy(request.param, request, tmp_path) as database,
        stub_in_this_process() as address,
        scene_before(address, database) as made,
    ):
        yield made


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("hapi", marks=pytest.mark.hapi)])
def scene_also_on_hapi(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene before the stub EHR on each database, and one before HAPI."""
    if request.param != "hapi":
        with (
            migrated_copy(request.param, request, tmp_path) as database,
            stub_in_this_process() as address,
            scene_before(address, database) as made,
        ):
            yield made
        return
    hapi = request.getfixturevalue("hapi")
    with (
        migrated_copy("sqlite", request, tmp_path) as database,
        scene_before(hapi.base_url, database, first=someone(), connections=4) as made,
    ):
        yield made
