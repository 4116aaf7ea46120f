"""The real EHR in memory, emptied by a restart, gives its numbers out again: what we remember of it is no proof."""

from pathlib import Path

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.hapi.server import HapiServer
from tests.integration.ehr.foreign_resources import (
    assert_everything_once,
    assert_untouched,
    remote_references_of_ours,
    take_over_ids,
    values_of,
)
from tests.integration.ehr.pull_and_reconcile import reconcile
from tests.integration.ehr.sample_resources import publish, publish_people, questionnaire_response, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination

pytestmark = [
    pytest.mark.hapi,
    pytest.mark.slow,
    # What is tried here is the EHR; both databases are tried against the stub.
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
]


@pytest.mark.promise("P22")
@pytest.mark.usefixtures("hapi")  # where it cannot be started this test is counted as that fixture's
def test_a_hapi_that_was_emptied_and_gave_our_ids_to_others_gets_everything_again_beside_them(
    store: Store, tmp_path: Path
) -> None:
    with (
        HapiServer(tmp_path / "hapi", in_memory=True) as server,
        SyncHarness(store, server.base_url) as harness,
    ):
        harness.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        publish_people(store, 2, each=2)
        everything = 2 * 6 + 1
        assert harness.push_until_quiet()["sent"] == everything
        places = remote_references_of_ours(harness)
        server.kill()
        server.start()
        ehr = EhrObserver(server.base_url)
        foreign = take_over_ids(places, ehr)
        harness.later(minutes=1)
        publish(store, [score(1, 1, "9.10"), questionnaire_response(1, 9), score(1, 9)])
        harness.push_until_quiet()
        assert_untouched(ehr, foreign)
        assert reconcile(harness).complete
        harness.push_until_quiet()
        assert_untouched(ehr, foreign)
        assert_everything_once(harness, ehr, foreign, everything + 2)
        assert values_of(ehr, "1-1") == ["9.10"]
