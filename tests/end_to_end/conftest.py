"""The stage on which the end-to-end tests play: one real EHR and one house, started once."""

from collections.abc import Iterator

import pytest

from demo.ehr import Ehr
from demo.house import House
from demo.story import tell
from demo.workplace import open_workplace
from tests.conftest import found_or_counted
from tests.end_to_end.stage import Stage
from tests.hapi.server import HapiServer

PEOPLE = 12


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The demo's story told once, with twelve people, on a HAPI with a database file of its own; everything still runs."""
    workplace = open_workplace("hapi", tmp_path_factory.mktemp("stage"))
    server = HapiServer(workplace.folder / "hapi")
    found_or_counted(server.start)
    try:
        ehr = Ehr("HAPI FHIR", server.base_url, "hapi")
        with House(workplace, ehr) as house:
            yield Stage(server, workplace, ehr, house, tell(house, ehr, PEOPLE))
    finally:
        server.stop()
