"""Somebody else writes too, answers get lost, servers forget: what stands there decides, and no edit is written over."""

from decimal import Decimal

from fhir_pmp.ehr.ledger import EDITED, REFUSED
from fhir_pmp.store import Store
from tests.faults.proxy import Call, Fault, FaultProxy, first_where, write_with
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.reading import edit
from tests.integration.ehr.sample import (
    everything_about,
    organization,
    patient,
    publish,
    publish_people,
    score,
)
from tests.stub_ehr.process import StubProcess


def test_an_edit_of_somebody_else_is_not_written_over_and_a_person_merges(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push()
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    publish(house.store, [score(1, 1, "5.00"), score(1, 2, "4.00")])
    assert house.push().counts == {"sent": 1, "dead": 1}
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen"}]
    assert ehr.versions("Observation/score-1-2") == 2
    (item,) = house.work_items()
    assert (item.kind, item.details["resource"]) == (EDITED, "Observation/score-1-1/_history/2")
    assert "seen" not in str(item)


def test_an_edit_that_says_what_we_say_is_ours(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push()
    edit(ehr, "Observation/score-1-1", status="amended")
    publish(house.store, [score(1, 1, status="amended")])
    assert house.push().counts == {"sent": 1}
    assert ehr.versions("Observation/score-1-1") == 2


def test_an_older_version_of_ours_that_came_back_is_written_over_once(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, 1, "6.00")])
    house.push()
    # The EHR goes back in time and counts its versions on.
    edit(ehr, "Observation/score-1-1", valueQuantity={"value": Decimal("7.10"), "unit": "{score}"})
    publish(house.store, [score(1, 1, "5.00")])
    assert house.push().counts == {"sent": 1}
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "5.00"
    assert house.work_items() == []


def test_the_repeat_of_an_update_whose_answer_was_lost_is_settled_by_reading(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, k, "5.00") for k in (1, 2, 3)])
    proxy.plan = first_where(write_with(b"score-1-1"), Fault("reset after commit", reset_after=True))
    house.push()
    assert house.states()["pending"] == 3
    writes = len(proxy.written())
    assert house.push_until_quiet()["sent"] == 3
    assert len(proxy.written()) == writes
    assert [ehr.versions(f"Observation/score-1-{k}") for k in (1, 2, 3)] == [2, 2, 2]


def test_an_edit_made_between_a_lost_answer_and_the_repeat_survives(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    proxy.plan = first_where(write_with(b"score-1-1"), Fault("reset after commit", reset_after=True))
    house.push()
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    house.push_until_quiet()
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen"}]
    assert house.state_of("Observation/score-1-1") == "dead"
    assert [item.kind for item in house.work_items()] == [EDITED]


def test_what_the_server_lost_is_made_anew_under_its_id(store: Store, ehr: Ehr, stub: StubProcess) -> None:
    with House(store, stub.address) as house:
        publish_people(store, 1)
        house.push()
        stub.kill()
        stub.start()  # it kept everything in memory
        publish(store, everything_about(1))
        publish(store, [organization(name="Pain programme of today")])
        publish(store, [patient(1, gender="other")])
        house.push()
        # Whoever is sent again is made anew; to find the rest is the reconcile's work.
        assert ehr.versions("Organization/organization-1") == 1
        assert ehr.versions("Patient/patient-1") == 1


def test_what_was_deleted_there_is_not_brought_back_without_a_person(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push()
    assert ehr.ask("DELETE", "Observation/score-1-1").status_code == 200
    publish(house.store, [score(1, 1, "5.00"), score(1, 2, "5.00")])
    assert house.push().counts == {"sent": 1, "dead": 1}
    assert ehr.ask("GET", "Observation/score-1-1").status_code == 410
    assert [item.kind for item in house.work_items()] == [REFUSED]


def test_a_server_without_transactions_gets_one_by_one(house: House, ehr: Ehr, proxy: FaultProxy) -> None:
    def without_transactions(call: Call) -> Fault | None:
        if not call.path.endswith("/metadata"):
            return None
        return Fault(
            "says less",
            override_body=lambda body: body.replace(b'"code":"transaction"', b'"code":"search-system"'),
        )

    proxy.plan = without_transactions
    publish_people(house.store, 1)
    assert house.push().counts == {"sent": 9}
    assert {seen.method for seen in proxy.seen} == {"GET", "PUT"}
    assert len(ehr.all("Observation")) == 3


def test_a_server_that_refuses_inside_a_200_is_believed_entry_by_entry(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    def refuse_one(body: bytes) -> bytes:
        return body.replace(
            b'"status":"201 Created","location":"Observation/score-1-1/',
            b'"status":"429 Slow","location":"Observation/score-1-1/',
        )

    proxy.plan = first_where(write_with(b"score-1-1"), Fault("429 inside", override_body=refuse_one))
    publish_people(house.store, 1)
    assert house.push().counts == {"sent": 9}
    assert proxy.seen[-1].path.endswith("Observation/score-1-1")
    assert ehr.versions("Observation/score-1-1") == 1
