"""Orders of things that random schedules found: who waits for whom, what may have arrived, what an answer counts for."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.destinations import Patients, WriteStrategy
from fhir_pmp.ehr.ledger import EDITED, REFUSED
from fhir_pmp.fhir.rendered import Rendered
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.sample import (
    HOSPITAL,
    MEDICARE,
    NOW,
    add_people,
    organization,
    patient,
    publish,
    questionnaire_response,
    score,
)


def scores_before_their_responses(responses: int) -> list[Rendered]:
    """Scores of person 1, and after all of them the responses they are derived from."""
    numbers = range(1, responses + 1)
    return [*(score(1, k) for k in numbers), *(questionnaire_response(1, k) for k in numbers)]


def test_what_is_behind_a_definition_is_not_overtaken_by_what_came_after_it(
    house: House, proxy: FaultProxy, ehr: Ehr
) -> None:
    add_people(house.store, [1])
    publish(house.store, [organization()])
    publish(house.store, [patient(1)])
    publish(house.store, [questionnaire_response(1, 1)])
    proxy.plan = lambda call: Fault("busy", status=503) if b"organization-1" in call.body[:200] else None
    house.push()
    assert house.states() == {
        "pending": 3
    }  # the response refers to the patient, who refers to the organization
    publish(house.store, [questionnaire_response(1, 2, subject={"display": "the person"})])
    house.later(seconds=31)
    house.push()
    assert ehr.all("QuestionnaireResponse") == []
    proxy.plan = lambda call: None
    house.push_until_quiet()
    assert house.states() == {"sent": 4}


def test_a_claim_takes_what_its_deliveries_refer_to_however_few_it_takes(house: House) -> None:
    add_people(house.store, [1])
    publish(house.store, [organization(), patient(1)])
    publish(house.store, scores_before_their_responses(5))
    for _ in range(8):
        house.push(per_lane=2)
    assert house.states() == {"sent": 12}


def test_retry_after_counts_where_the_capability_statement_is_answered_with_it(
    house: House, proxy: FaultProxy
) -> None:
    busy = Fault("busy", status=429, status_headers={"Retry-After": "600"})

    def plan(call: Call) -> Fault | None:
        return busy if call.path.endswith("/metadata") else None

    proxy.plan = plan
    add_people(house.store, [1])
    publish(house.store, [organization(), patient(1)])
    house.push()
    house.later(seconds=599)
    house.push()
    assert len(proxy.seen) == 1
    proxy.plan = lambda call: None
    house.push_until_quiet()
    assert house.states() == {"sent": 2}
    assert house.now >= NOW + timedelta(seconds=600)


def test_a_statement_read_anew_that_is_answered_with_retry_after_holds_up_what_is_to_be_sent(
    house: House, proxy: FaultProxy
) -> None:
    add_people(house.store, [1])
    publish(house.store, [organization()])
    house.push()
    house.later(days=2)
    proxy.plan = lambda call: Fault("busy", status=503, status_headers={"Retry-After": "600"})
    publish(house.store, [patient(1)])
    calls = len(proxy.seen)
    house.push()
    assert len(proxy.seen) == calls + 1


@pytest.mark.parametrize("strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_CREATE])
def test_what_may_have_arrived_is_read_first_though_a_newer_version_goes_instead(
    house: House, proxy: FaultProxy, ehr: Ehr, strategy: WriteStrategy
) -> None:
    house.destination = destination(strategy=strategy)
    publish(house.store, [organization("A name")])
    proxy.plan = lambda call: Fault("lost", reset_after=True) if call.method in ("PUT", "POST") else None
    house.push()
    proxy.plan = lambda call: None
    publish(house.store, [organization("Another name")])
    house.push_until_quiet()
    assert [there["name"] for there in ehr.all("Organization")] == ["Another name"]
    assert house.states() == {"sent": 1, "superseded": 1}


def test_an_edit_of_what_may_have_arrived_survives_a_newer_version(
    house: House, proxy: FaultProxy, ehr: Ehr
) -> None:
    publish(house.store, [organization("A name")])
    proxy.plan = lambda call: Fault("lost", reset_after=True) if call.method == "PUT" else None
    house.push()
    proxy.plan = lambda call: None
    edited = {**ehr.get("Organization/organization-1"), "name": "As they call it"}
    assert ehr.ask("PUT", "Organization/organization-1", edited).status_code == 200
    publish(house.store, [organization("Another name")])
    house.push_until_quiet()
    assert ehr.get("Organization/organization-1")["name"] == "As they call it"
    assert [item.kind for item in house.work_items()] == [EDITED]


def test_what_waited_for_a_patient_goes_before_what_came_about_while_it_waited(
    house: House, ehr: Ehr
) -> None:
    house.destination = destination(Patients.THEIRS)
    add_people(house.store, [1])
    publish(house.store, [questionnaire_response(1, 1)])
    house.push()
    assert house.states() == {"waiting": 1}
    ehr.ask("PUT", "Patient/hospital-1", {**patient_there(), "id": "hospital-1"})
    publish(house.store, [questionnaire_response(1, 2)])
    house.push()
    assert house.states() == {"sent": 2}
    assert house.work_items() == []


def test_what_a_destination_answers_counts_though_we_are_to_stop_or_have_lost_the_lane(
    house: House, proxy: FaultProxy
) -> None:
    publish(house.store, [organization()])
    house.push()
    publish(house.store, [organization("Another name")])

    def lose_the_lane() -> None:
        with house.store.begin_beside() as books:
            later = house.now + timedelta(minutes=4)
            claimed = books.outbox.claim_due(HOSPITAL, now=later, lease=timedelta(0), lanes=1, per_lane=1)
            assert len(claimed) == 1

    busy = {"Retry-After": "600"}
    proxy.plan = lambda call: Fault("busy", status=503, status_headers=busy, before_upstream=lose_the_lane)
    calls = len(proxy.seen)
    house.push()
    house.later(seconds=599)
    house.push()
    assert len(proxy.seen) == calls + 1


def patient_there() -> dict[str, object]:
    """Person 1 as the hospital has registered them."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": MEDICARE, "value": "m1"}],
        "birthDate": "1970-01-02",
        "active": True,
    }


def test_an_older_version_sent_again_leaves_a_person_told_of_the_newer_that_was_refused(
    house: House, proxy: FaultProxy
) -> None:
    publish(house.store, [organization("A name")])
    house.push()
    proxy.plan = lambda call: Fault("refused", status=422) if call.method == "PUT" else None
    publish(house.store, [organization("Another name")])
    house.push()
    proxy.plan = lambda call: None
    with house.store.begin_beside() as books:
        assert books.standing.send_again(HOSPITAL, ["Organization/organization-1"], why="lost", now=house.now)
    house.push()
    assert [delivery.state.value for delivery in house.deliveries()] == ["sent", "dead"]
    assert [item.kind for item in house.work_items()] == [REFUSED]


def test_what_a_killed_push_left_in_flight_is_claimed_again_though_somebody_looked_whether_its_lane_waits(
    house: House,
) -> None:
    publish(house.store, [organization()])
    with house.store.begin_beside() as books:
        lease = timedelta(minutes=3)
        claimed = books.outbox.claim_due(HOSPITAL, now=house.now, lease=lease, lanes=1, per_lane=10)
        assert len(claimed) == 1
    with house.store.begin_beside() as books:
        assert books.outbox.resume(HOSPITAL, claimed[0].lane, now=house.now) == 0
    house.later(minutes=4)
    house.push()
    assert house.states() == {"sent": 1}
