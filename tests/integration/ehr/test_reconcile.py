"""The reconcile: what either side lost or missed is found, and only what may be repaired without a person is."""

import pytest
import requests

from fhir_pmp.ehr.destinations import WriteStrategy
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.reading import audited, checked, edit, put, reconcile
from tests.integration.ehr.sample import HOSPITAL, publish, publish_people, score
from tests.stub_ehr.process import StubProcess, stub_ehr

EVERYTHING = 8 + 1  # of one person with three responses, and the organization


@pytest.fixture
def sent(house: House) -> House:
    """Two people's records are there."""
    publish_people(house.store, 2)
    assert house.push_until_quiet()["sent"] == 2 * 8 + 1
    return house


def forgets_everything(stub: StubProcess) -> None:
    """The EHR is empty, as one in memory is after a restart."""
    stub.kill()
    stub.start()


def test_where_both_sides_are_equal_nothing_is_written(sent: House, proxy: FaultProxy) -> None:
    before = len(proxy.written())
    came_to = reconcile(sent)
    assert came_to.complete
    assert came_to.counts == {"equal": 17}
    assert sent.push().counts == {}
    assert len(proxy.written()) == before
    with sent.store.read() as books:
        last = books.standing.last_reconcile(HOSPITAL)
    assert last is not None
    assert (last.completed_at, last.found) == (sent.now, {"equal": 17})


def test_an_ehr_that_forgot_everything_gets_everything_again_in_order_and_the_audit_says_why(
    sent: House, stub: StubProcess, ehr: Ehr
) -> None:
    forgets_everything(stub)
    came_to = reconcile(sent)
    assert came_to.counts == {"missing": 17}
    assert sent.push_until_quiet() == {"sent": 17}
    assert checked(sent, ehr.address).is_clean
    assert sent.work_items() == []
    rows = audited(sent, "reconcile hospital: sent again, it was missing there")
    again = {resource for row in rows for resource in row.resources}
    assert len(again) == 17
    assert "Observation/score-1-1/_history/1" in again
    assert {person for row in rows for person in row.persons} == {"patient-1", "patient-2"}
    assert reconcile(sent).counts == {"equal": 17}


def test_what_stands_in_an_older_version_is_sent_again(sent: House, ehr: Ehr) -> None:
    before = ehr.get("Observation/score-1-1")
    publish(sent.store, [score(1, 1, "9.00")])
    sent.push()
    put(ehr, before)  # an EHR that was put back to its backup says what it said before
    came_to = reconcile(sent)
    assert came_to.counts == {"equal": 16, "older": 1}
    assert came_to.again == ("Observation/score-1-1/_history/2: an older version stood there",)
    sent.push()
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "9.00"
    assert checked(sent, ehr.address).is_clean


def test_a_newer_version_of_ours_is_taken_note_of_and_not_written_over(
    sent: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    proxy.plan = lambda call: Fault("lost", reset_after=True) if call.method == "PUT" else None
    sent.push()  # it arrived, and the answer was lost
    proxy.plan = lambda _: None
    with sent.store.begin_beside() as books:
        (waits,) = [d for d in sent.deliveries() if d.state.value == "pending"]
        books.outbox.claim_due(
            HOSPITAL, now=sent.later(hours=1), lease=sent.now - sent.now, lanes=1, per_lane=9
        )
    assert waits.version == 2
    assert reconcile(sent).counts == {"equal": 16, "under_way": 1}
    assert sent.push_until_quiet()["dead"] == 0
    assert ehr.versions("Observation/score-1-1") == 2


def test_somebody_elses_edit_becomes_a_work_item_and_stays(sent: House, ehr: Ehr) -> None:
    edit(ehr, "Observation/score-2-1", note=[{"text": "seen on the ward"}])
    assert reconcile(sent).counts == {"edited": 1, "equal": 16}
    (item,) = sent.work_items()
    assert (item.kind, item.person) == ("edited_at_destination", "patient-2")
    assert reconcile(sent).counts == {"edited": 1, "equal": 16}
    assert len(sent.work_items()) == 1
    assert sent.push().counts == {}


def test_what_somebody_deleted_is_not_made_anew_without_a_decision(sent: House, ehr: Ehr) -> None:
    for place in ("Observation/score-1-1", "Bundle/document-2"):
        assert ehr.ask("DELETE", place).status_code == 200
    assert reconcile(sent).counts == {"deleted": 2, "equal": 15}
    assert {item.kind for item in sent.work_items()} == {"deleted_at_destination"}
    assert sent.push().counts == {}
    assert ehr.ask("GET", "Observation/score-1-1").status_code == 410
    with sent.store.begin_beside() as books:
        for item in sent.work_items():
            books.work_items.close(item.id, by="account:1", how="it was a test record", now=sent.now)
    reconcile(sent)
    assert sent.work_items() == []


def test_a_second_resource_with_our_identifier_becomes_a_work_item_until_one_is_left(
    sent: House, ehr: Ehr
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


def test_a_dry_run_tells_and_changes_nothing(sent: House, stub: StubProcess) -> None:
    forgets_everything(stub)
    came_to = reconcile(sent, dry_run=True)
    assert came_to.counts == {"missing": 17}
    assert len(came_to.again) == 17
    assert sent.states() == {"sent": 17}
    assert sent.push().counts == {}
    (row,) = audited(sent, "reconcile hospital")
    assert row.route == "reconcile hospital (dry run): 17 missing"


def test_a_sick_destination_breaks_the_comparison_off_and_nothing_is_concluded(
    sent: House, proxy: FaultProxy
) -> None:
    proxy.plan = lambda call: Fault("sick", status=503) if "Observation?" in call.path else None
    came_to = reconcile(sent)
    assert not came_to.complete
    assert "missing" not in came_to.counts
    assert sent.states() == {"sent": 17}
    with sent.store.read() as books:
        last = books.standing.last_reconcile(HOSPITAL)
    assert last is not None
    assert last.completed_at is None


def test_a_destination_is_asked_no_faster_than_the_tempo_allows(sent: House, stub: StubProcess) -> None:
    forgets_everything(stub)
    waited: list[float] = []
    came_to = reconcile(sent, requests_per_second=2.0, pause=waited.append)
    assert came_to.complete
    assert len(waited) >= 17
    assert max(waited) <= 0.5


def test_a_delivery_under_way_is_left_to_the_push(sent: House, stub: StubProcess) -> None:
    publish(sent.store, [score(1, 1, "9.00")])
    forgets_everything(stub)
    assert reconcile(sent).counts == {"missing": 16}
    assert sent.push_until_quiet()["sent"] == 17


def test_ids_that_the_server_gave_are_looked_for_by_identifier_when_they_went_with_it(
    store_house: House,
) -> None:
    house = store_house
    publish_people(house.store, 1)
    assert house.push_until_quiet()["sent"] == EVERYTHING
    ehr = Ehr(house.client.base.rstrip("/"))
    assert reconcile(house).counts == {"equal": EVERYTHING}
    with house.store.begin_beside() as books:
        links = books.destination_ids.find_many(HOSPITAL, [d.reference for d in house.deliveries()])
    place = links["Observation/score-1-1"].theirs
    requests.delete(f"{ehr.address}/{place}", timeout=30)
    assert reconcile(house).counts == {"deleted": 1, "equal": EVERYTHING - 1}


@pytest.fixture
def store_house(store):  # type: ignore[no-untyped-def]
    """Our side before a server that gives its own ids."""
    with stub_ehr("--no-client-ids") as process, House(store, process.address) as house:
        house.destination = destination(strategy=WriteStrategy.CONDITIONAL_UPDATE)
        yield house
