"""The real EHR in memory, emptied by a restart, gives its numbers out again: what we remember of it is no proof."""

from pathlib import Path

import pytest

from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.hapi.server import HapiServer
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.reading import reconcile
from tests.integration.ehr.sample import publish, publish_people, questionnaire_response, score
from tests.integration.ehr.strangers import (
    places_of_ours,
    stands_whole,
    takes_the_places_of,
    untouched,
    values_of,
)

pytestmark = [
    pytest.mark.hapi,
    pytest.mark.slow,
    # What is tried here is the EHR; both databases are tried against the stub.
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
]


@pytest.mark.usefixtures("hapi")  # where it cannot be started this test is counted as that fixture's
def test_a_hapi_that_was_emptied_and_gave_our_ids_to_others_gets_everything_again_beside_them(
    store: Store, tmp_path: Path
) -> None:
    with HapiServer(tmp_path / "hapi", in_memory=True) as server, House(store, server.base_url) as house:
        house.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        publish_people(store, 2, each=2)
        everything = 2 * 6 + 1
        assert house.push_until_quiet()["sent"] == everything
        places = places_of_ours(house)
        server.kill()
        server.start()
        ehr = Ehr(server.base_url)
        strangers = takes_the_places_of(places, ehr)
        house.later(minutes=1)
        publish(store, [score(1, 1, "9.10"), questionnaire_response(1, 9), score(1, 9)])
        house.push_until_quiet()
        untouched(ehr, strangers)
        assert reconcile(house).complete
        house.push_until_quiet()
        untouched(ehr, strangers)
        stands_whole(house, ehr, strangers, everything + 2)
        assert values_of(ehr, "1-1") == ["9.10"]
