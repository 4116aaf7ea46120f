"""What came about earlier holds up what came about later, of the same person and never for good; Retry-After counts."""

from datetime import timedelta

from fhir_pmp.fhir.rendered import Rendered
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import (
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
