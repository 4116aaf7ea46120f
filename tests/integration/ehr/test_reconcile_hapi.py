"""The real EHR goes back in time: what it had acknowledged and lost is sent again, and nothing is doubled or reversed."""

from datetime import timedelta
from pathlib import Path

import pytest

from fhir_pmp.store import Store
from tests.hapi.server import HapiServer
from tests.integration.ehr.pull_and_reconcile import audited, checked, edit, pull_to_the_end, reconcile
from tests.integration.ehr.sample_resources import organization, publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness

pytestmark = [
    pytest.mark.hapi,
    pytest.mark.slow,
    # What is tried here is the EHR; both databases are tried against the stub.
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
]


def counted(harness: SyncHarness) -> int:
    """Resources that were ever acknowledged."""
    return len({d.reference for d in harness.deliveries()})


@pytest.mark.promise("P22")
@pytest.mark.usefixtures("hapi")  # where it cannot be started this test is counted as that fixture's
def test_acknowledged_writes_that_a_killed_hapi_lost_are_sent_again(store: Store, tmp_path: Path) -> None:
    with (
        HapiServer(tmp_path / "hapi") as server,
        SyncHarness(store, server.base_url, connections=4) as harness,
    ):
        publish_people(store, 3, each=4)
        harness.push_until_quiet()
        harness.later(minutes=1)
        first_versions = {(n, k) for n in (1, 2, 3) for k in (1, 2, 3, 4)}
        # Everything after this is acknowledged within the quarter of a second that the file is behind.
        publish(store, [score(n, k, "9.10") for n, k in sorted(first_versions)])
        publish_people(store, 4, each=4, first=101)
        publish(store, [organization("Pain programme of the clinic")])
        lost = kill_with_something_lost(harness, server)
        there = EhrObserver(server.base_url)
        edit(there, "QuestionnaireResponse/response-2-2", status="amended")
        result = reconcile(harness)
        assert result.complete, result.incomplete_reason
        assert result.counts.get("missing", 0) + result.counts.get("older", 0) == lost
        harness.push_until_quiet()
        report = checked(harness, server.base_url)
        assert not report.missing, str(report)
        assert not report.duplicated, str(report)
        # One was edited at the hospital: it stands as they left it, and a person is asked.
        assert report.different == [("QuestionnaireResponse", "urn:test:response|2-2")]
        assert [item.kind for item in harness.work_items()] == ["edited_at_destination"]
        sent_again = {
            one for row in audited(harness, "reconcile hospital: sent again") for one in row.resources
        }
        assert sent_again == {line.partition(":")[0] for line in result.sent_again}
        assert {
            row.route.partition("it ")[2] for row in audited(harness, "reconcile hospital: sent again")
        } <= {
            "was missing there",
            "an older version stood there",
        }
        quiet = reconcile(harness)
        assert set(quiet.counts) == {"equal", "edited"}
        assert pull_to_the_end(harness)["edited"] == 0


def kill_with_something_lost(harness: SyncHarness, server: HapiServer) -> int:
    """Pushes everything, kills HAPI -9 at once, starts it again; how many resources it had acknowledged and lost."""
    for attempt in range(3):
        if attempt:
            publish_people(harness.store, 4, each=4, first=200 + 10 * attempt)
        harness.later(minutes=1)
        harness.push_until_quiet()
        server.kill()
        server.start()
        harness.later(hours=1)
        report = checked(harness, server.base_url)
        if report.missing or report.different:
            return len(report.missing) + len(report.different)
    raise AssertionError("HAPI lost nothing in three kills: this proves nothing")


@pytest.mark.promise("P22")
@pytest.mark.usefixtures("hapi")
def test_a_hapi_in_memory_that_restarts_empty_gets_everything_again(store: Store, tmp_path: Path) -> None:
    with (
        HapiServer(tmp_path / "hapi", in_memory=True) as server,
        SyncHarness(store, server.base_url) as harness,
    ):
        publish_people(store, 3)
        harness.push_until_quiet()
        harness.later(minutes=1)
        publish(store, [score(1, 1, "9.10")])
        harness.push_until_quiet()
        server.kill()
        server.start()
        harness.later(minutes=1)
        everything = counted(harness)
        assert reconcile(harness).counts == {"missing": everything}
        harness.push_until_quiet()
        report = checked(harness, server.base_url)
        assert report.is_clean, str(report)
        assert (
            str(EhrObserver(server.base_url).get("Observation/score-1-1")["valueQuantity"]["value"]) == "9.10"
        )
        rows = audited(harness, "reconcile hospital: sent again, it was missing there")
        assert len({one for row in rows for one in row.resources}) == everything
        harness.now += timedelta(days=1)
        assert reconcile(harness).counts == {"equal": everything}
        assert harness.work_items() == []
