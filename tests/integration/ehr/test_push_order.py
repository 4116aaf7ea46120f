"""Orders of things that random schedules found: who waits for whom, what may have arrived, what an answer counts for."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.config.destinations import PatientOwnership, WriteStrategy
from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED, EDITED
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import (
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
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination


def scores_before_their_responses(responses: int) -> list[RenderedResource]:
    """Scores of person 1, and after all of them the responses they are derived from."""
    numbers = range(1, responses + 1)
    return [*(score(1, k) for k in numbers), *(questionnaire_response(1, k) for k in numbers)]


@pytest.mark.promise("P4")
def test_what_is_behind_a_definition_is_not_overtaken_by_what_came_after_it(
    harness: SyncHarness, proxy: FaultProxy, ehr: EhrObserver
) -> None:
    add_people(harness.store, [1])
    publish(harness.store, [organization()])
    publish(harness.store, [patient(1)])
    publish(harness.store, [questionnaire_response(1, 1)])
    proxy.plan = lambda call: (
        InjectedFault("busy", status=503) if b"organization-1" in call.body[:200] else None
    )
    harness.push()
    assert harness.states() == {
        "pending": 3
    }  # the response refers to the patient, who refers to the organization
    publish(harness.store, [questionnaire_response(1, 2, subject={"display": "the person"})])
    harness.later(seconds=31)
    harness.push()
    assert ehr.all("QuestionnaireResponse") == []
    proxy.plan = lambda call: None
    harness.push_until_quiet()
    assert harness.states() == {"sent": 4}


def test_a_claim_takes_what_its_deliveries_refer_to_however_few_it_takes(harness: SyncHarness) -> None:
    add_people(harness.store, [1])
    publish(harness.store, [organization(), patient(1)])
    publish(harness.store, scores_before_their_responses(5))
    for _ in range(8):
        harness.push(per_lane=2)
    assert harness.states() == {"sent": 12}


def test_retry_after_counts_where_the_capability_statement_is_answered_with_it(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    busy = InjectedFault("busy", status=429, status_headers={"Retry-After": "600"})

    def plan(call: Call) -> InjectedFault | None:
        return busy if call.path.endswith("/metadata") else None

    proxy.plan = plan
    add_people(harness.store, [1])
    publish(harness.store, [organization(), patient(1)])
    harness.push()
    harness.later(seconds=599)
    harness.push()
    assert len(proxy.seen) == 1
    proxy.plan = lambda call: None
    harness.push_until_quiet()
    assert harness.states() == {"sent": 2}
    assert harness.now >= NOW + timedelta(seconds=600)


def test_a_statement_read_anew_that_is_answered_with_retry_after_holds_up_what_is_to_be_sent(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    add_people(harness.store, [1])
    publish(harness.store, [organization()])
    harness.push()
    harness.later(days=2)
    proxy.plan = lambda call: InjectedFault("busy", status=503, status_headers={"Retry-After": "600"})
    publish(harness.store, [patient(1)])
    calls = len(proxy.seen)
    harness.push()
    assert len(proxy.seen) == calls + 1


@pytest.mark.promise("P1")
@pytest.mark.parametrize("strategy", [WriteStrategy.OUR_ID, WriteStrategy.CONDITIONAL_CREATE])
def test_what_may_have_arrived_is_read_first_though_a_newer_version_goes_instead(
    harness: SyncHarness, proxy: FaultProxy, ehr: EhrObserver, strategy: WriteStrategy
) -> None:
    harness.destination = destination(strategy=strategy)
    publish(harness.store, [organization("A name")])
    proxy.plan = lambda call: (
        InjectedFault("lost", reset_after=True) if call.method in ("PUT", "POST") else None
    )
    harness.push()
    proxy.plan = lambda call: None
    publish(harness.store, [organization("Another name")])
    harness.push_until_quiet()
    assert [there["name"] for there in ehr.all("Organization")] == ["Another name"]
    assert harness.states() == {"sent": 1, "superseded": 1}


@pytest.mark.promise("P3")
def test_an_edit_of_what_may_have_arrived_survives_a_newer_version(
    harness: SyncHarness, proxy: FaultProxy, ehr: EhrObserver
) -> None:
    publish(harness.store, [organization("A name")])
    proxy.plan = lambda call: InjectedFault("lost", reset_after=True) if call.method == "PUT" else None
    harness.push()
    proxy.plan = lambda call: None
    edited = {**ehr.get("Organization/organization-1"), "name": "As they call it"}
    assert ehr.ask("PUT", "Organization/organization-1", edited).status_code == 200
    publish(harness.store, [organization("Another name")])
    harness.push_until_quiet()
    assert ehr.get("Organization/organization-1")["name"] == "As they call it"
    assert [item.kind for item in harness.work_items()] == [EDITED]


@pytest.mark.promise("P4")
def test_what_waited_for_a_patient_goes_before_what_came_about_while_it_waited(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    harness.destination = destination(PatientOwnership.THEIRS)
    add_people(harness.store, [1])
    publish(harness.store, [questionnaire_response(1, 1)])
    harness.push()
    assert harness.states() == {"waiting": 1}
    ehr.ask("PUT", "Patient/hospital-1", {**patient_there(), "id": "hospital-1"})
    publish(harness.store, [questionnaire_response(1, 2)])
    harness.push()
    assert harness.states() == {"sent": 2}
    assert harness.work_items() == []


def test_what_a_destination_answers_counts_though_we_are_to_stop_or_have_lost_the_lane(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    publish(harness.store, [organization()])
    harness.push()
    publish(harness.store, [organization("Another name")])

    def lose_the_lane() -> None:
        with harness.store.begin_without_publishing() as uow:
            later = harness.now + timedelta(minutes=4)
            claimed = uow.outbox.claim_due(HOSPITAL, now=later, lease=timedelta(0), lanes=1, per_lane=1)
            assert len(claimed) == 1

    busy = {"Retry-After": "600"}
    proxy.plan = lambda call: InjectedFault(
        "busy", status=503, status_headers=busy, before_upstream=lose_the_lane
    )
    calls = len(proxy.seen)
    harness.push()
    harness.later(seconds=599)
    harness.push()
    assert len(proxy.seen) == calls + 1


def patient_there() -> dict[str, object]:
    """Person 1 as the hospital has registered them."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": MEDICARE, "value": "m1"}],
        "birthDate": "1970-01-02",
        "active": True,
    }


@pytest.mark.promise("P1")
def test_an_older_version_sent_again_leaves_a_person_told_of_the_newer_that_was_refused(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    publish(harness.store, [organization("A name")])
    harness.push()
    proxy.plan = lambda call: InjectedFault("refused", status=422) if call.method == "PUT" else None
    publish(harness.store, [organization("Another name")])
    harness.push()
    proxy.plan = lambda call: None
    with harness.store.begin_without_publishing() as uow:
        assert uow.reconciliation.requeue(
            HOSPITAL, ["Organization/organization-1"], why="lost", now=harness.now
        )
    harness.push()
    assert [delivery.state.value for delivery in harness.deliveries()] == ["sent", "dead"]
    assert [item.kind for item in harness.work_items()] == [DELIVERY_REFUSED]


def test_what_a_killed_push_left_in_flight_is_claimed_again_though_somebody_looked_whether_its_lane_waits(
    harness: SyncHarness,
) -> None:
    publish(harness.store, [organization()])
    with harness.store.begin_without_publishing() as uow:
        lease = timedelta(minutes=3)
        claimed = uow.outbox.claim_due(HOSPITAL, now=harness.now, lease=lease, lanes=1, per_lane=10)
        assert len(claimed) == 1
    with harness.store.begin_without_publishing() as uow:
        assert uow.outbox.resume(HOSPITAL, claimed[0].lane, now=harness.now) == 0
    harness.later(minutes=4)
    harness.push()
    assert harness.states() == {"sent": 1}
