"""The reconcile: what either side lost or missed is found, and only what may be repaired without a person is."""

import pytest
import requests

from fhir_pmp.ehr.config.destinations import WriteStrategy
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.pull_and_reconcile import audited, checked, edit, put, reconcile
from tests.integration.ehr.sample_resources import HOSPITAL, publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.stub_ehr.process import StubProcess, stub_ehr

EVERYTHING = 8 + 1  # of one person with three responses, and the organization


@pytest.fixture
def sent(harness: SyncHarness) -> SyncHarness:
    """Two people's records are there."""
    publish_people(harness.store, 2)
    assert harness.push_until_quiet()["sent"] == 2 * 8 + 1
    return harness


def forgets_everything(stub: StubProcess) -> None:
    """The EHR is empty, as one in memory is after a restart."""
    stub.kill()
    stub.start()


def test_where_both_sides_are_equal_nothing_is_written(sent: SyncHarness, proxy: FaultProxy) -> None:
    before = len(proxy.written_bodies())
    result = reconcile(sent)
    assert result.complete
    assert result.counts == {"equal": 17}
    assert sent.push().counts == {}
    assert len(proxy.written_bodies()) == before
    with sent.store.read() as uow:
        last = uow.reconciliation.last_reconciliation(HOSPITAL)
    assert last is not None
    assert (last.completed_at, last.counts) == (sent.now, {"equal": 17})


@pytest.mark.promise("P22")
def test_an_ehr_that_forgot_everything_gets_everything_again_in_order_and_the_audit_says_why(
    sent: SyncHarness, stub: StubProcess, ehr: EhrObserver
) -> None:
    forgets_everything(stub)
    result = reconcile(sent)
    assert result.counts == {"missing": 17}
    assert sent.push_until_quiet() == {"sent": 17}
    assert checked(sent, ehr.address).is_clean
    assert sent.work_items() == []
    rows = audited(sent, "reconcile hospital: sent again, it was missing there")
    sent_again = {resource for row in rows for resource in row.resources}
    assert len(sent_again) == 17
    assert "Observation/score-1-1/_history/1" in sent_again
    assert {person for row in rows for person in row.persons} == {"patient-1", "patient-2"}
    assert reconcile(sent).counts == {"equal": 17}


@pytest.mark.promise("P22")
def test_what_stands_in_an_older_version_is_sent_again(sent: SyncHarness, ehr: EhrObserver) -> None:
    before = ehr.get("Observation/score-1-1")
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push()
    put(ehr, before)  # an EHR that was put back to its backup says what it said before
    result = reconcile(sent)
    assert result.counts == {"equal": 16, "older": 1}
    assert result.sent_again == ("Observation/score-1-1/_history/2: an older version stood there",)
    sent.push()
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "9.00"
    assert checked(sent, ehr.address).is_clean


def test_a_newer_version_of_ours_is_taken_note_of_and_not_written_over(
    sent: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    proxy.plan = lambda call: InjectedFault("lost", reset_after=True) if call.method == "PUT" else None
    sent.push()  # it arrived, and the answer was lost
    proxy.plan = lambda _: None
    with sent.store.begin_without_publishing() as uow:
        (waits,) = [d for d in sent.deliveries() if d.state.value == "pending"]
        uow.outbox.claim_due(
            HOSPITAL, now=sent.later(hours=1), lease=sent.now - sent.now, lanes=1, per_lane=9
        )
    assert waits.version == 2
    assert reconcile(sent).counts == {"equal": 16, "under_way": 1}
    assert sent.push_until_quiet()["dead"] == 0
    assert ehr.versions("Observation/score-1-1") == 2


@pytest.mark.promise("P22")
def test_somebody_elses_edit_becomes_a_work_item_and_stays(sent: SyncHarness, ehr: EhrObserver) -> None:
    edit(ehr, "Observation/score-2-1", note=[{"text": "seen on the ward"}])
    assert reconcile(sent).counts == {"edited": 1, "equal": 16}
    (item,) = sent.work_items()
    assert (item.kind, item.person) == ("edited_at_destination", "patient-2")
    assert reconcile(sent).counts == {"edited": 1, "equal": 16}
    assert len(sent.work_items()) == 1
    assert sent.push().counts == {}


@pytest.mark.promise("P22")
def test_what_somebody_deleted_is_not_made_anew_without_a_decision(
    sent: SyncHarness, ehr: EhrObserver
) -> None:
    for place in ("Observation/score-1-1", "Bundle/document-2"):
        assert ehr.ask("DELETE", place).status_code == 200
    assert reconcile(sent).counts == {"deleted": 2, "equal": 15}
    assert {item.kind for item in sent.work_items()} == {"deleted_at_destination"}
    assert sent.push().counts == {}
    assert ehr.ask("GET", "Observation/score-1-1").status_code == 410
    with sent.store.begin_without_publishing() as uow:
        for item in sent.work_items():
            uow.work_items.close(item.id, by="account:1", how="it was a test record", now=sent.now)
    reconcile(sent)
    assert sent.work_items() == []


@pytest.mark.promise("P22")
def test_a_second_resource_with_our_identifier_becomes_a_work_item_until_one_is_left(
    sent: SyncHarness, ehr: EhrObserver
) -> None:
    copied = {**ehr.get("Observation/score-1-1"), "id": "somebody-copied-it"}
    put(ehr, copied)
    assert reconcile(sent).counts == {"doubled": 1, "equal": 17}
    (item,) = sent.work_items()
    assert (item.kind, item.about) == ("doubled_at_destination", "delivery/hospital/Observation/score-1-1")
    assert "Observation/somebody-copied-it" in item.details["theirs"]
    ehr.ask("DELETE", "Observation/somebody-copied-it")
    reconcile(sent)
    assert sent.work_items() == []


def test_a_dry_run_tells_and_changes_nothing(sent: SyncHarness, stub: StubProcess) -> None:
    forgets_everything(stub)
    result = reconcile(sent, dry_run=True)
    assert result.counts == {"missing": 17}
    assert len(result.sent_again) == 17
    assert sent.states() == {"sent": 17}
    assert sent.push().counts == {}
    (row,) = audited(sent, "reconcile hospital")
    assert row.route == "reconcile hospital (dry run): 17 missing"


@pytest.mark.promise("P22")
def test_a_sick_destination_breaks_the_comparison_off_and_nothing_is_concluded(
    sent: SyncHarness, proxy: FaultProxy
) -> None:
    proxy.plan = lambda call: InjectedFault("sick", status=503) if "Observation?" in call.path else None
    result = reconcile(sent)
    assert not result.complete
    assert "missing" not in result.counts
    assert sent.states() == {"sent": 17}
    with sent.store.read() as uow:
        last = uow.reconciliation.last_reconciliation(HOSPITAL)
    assert last is not None
    assert last.completed_at is None


def test_a_destination_is_asked_no_faster_than_the_tempo_allows(sent: SyncHarness, stub: StubProcess) -> None:
    forgets_everything(stub)
    waited: list[float] = []
    result = reconcile(sent, requests_per_second=2.0, pause=waited.append)
    assert result.complete
    assert len(waited) >= 17
    assert max(waited) <= 0.5


def test_a_delivery_under_way_is_left_to_the_push(sent: SyncHarness, stub: StubProcess) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    forgets_everything(stub)
    assert reconcile(sent).counts == {"missing": 16}
    assert sent.push_until_quiet()["sent"] == 17


def test_ids_that_the_server_gave_are_looked_for_by_identifier_when_they_went_with_it(
    store_harness: SyncHarness,
) -> None:
    harness = store_harness
    publish_people(harness.store, 1)
    assert harness.push_until_quiet()["sent"] == EVERYTHING
    ehr = EhrObserver(harness.client.base.rstrip("/"))
    assert reconcile(harness).counts == {"equal": EVERYTHING}
    with harness.store.begin_without_publishing() as uow:
        links = uow.remote_ids.find_many(HOSPITAL, [d.reference for d in harness.deliveries()])
    place = links["Observation/score-1-1"].remote_reference
    requests.delete(f"{ehr.address}/{place}", timeout=30)
    assert reconcile(harness).counts == {"deleted": 1, "equal": EVERYTHING - 1}


@pytest.fixture
def store_harness(store):  # type: ignore[no-untyped-def]
    """Our side before a server that gives its own ids."""
    with stub_ehr("--no-client-ids") as process, SyncHarness(store, process.address) as harness:
        harness.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        yield harness
