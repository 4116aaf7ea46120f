"""The stage on which the end-to-end tests play: one real EHR and one house, started once."""

from collections.abc import Iterator

import pytest

from demo.ehr import Ehr
from demo.run_folder import open_run_folder
from demo.scenario import run_scenario
from demo.service import DemoService
from tests.conftest import require_part
from tests.end_to_end.running_demo import RunningDemo
from tests.hapi.server import HapiServer

PEOPLE = 12


@pytest.fixture(scope="session")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """The demo's story told once, with twelve people, on a HAPI with a database file of its own; everything still runs."""
    run_folder = open_run_folder("hapi", tmp_path_factory.mktemp("stage"))
    server = HapiServer(run_folder.folder / "hapi")
    require_part(server.start)
    try:
        ehr = Ehr("HAPI FHIR", server.base_url, "hapi")
        with DemoService(run_folder, ehr) as service:
            yield RunningDemo(server, run_folder, ehr, service, run_scenario(service, ehr, PEOPLE))
    finally:
        server.stop()
