"""What an operator does with deliveries, and the audit row that each use leaves."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.push import delivery_commands
from fhir_pmp.ehr.push.delivery_commands import DeliverySelection, EmptySelection, NoSuchDelivery
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store.delivery.deliveries import DeliveryState
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import (
    HOSPITAL,
    NOW,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness

WHO = "command:operator"
SPOILT = DeliverySelection(reference="QuestionnaireResponse/response-1-2")


@pytest.fixture
def one_dead(harness: SyncHarness) -> int:
    """Somebody's response was refused; the number of its delivery."""
    publish_people(harness.store, 1)
    publish(harness.store, [questionnaire_response(1, 2, status="finished")])
    harness.push()
    return next(d.seq for d in harness.deliveries() if d.state is DeliveryState.DEAD)


def audited(harness: SyncHarness) -> list[tuple[str, str, str]]:
    with harness.store.read() as uow:
        return [(row.route, row.action, row.outcome) for _, row in uow.audit.list_all()]


def test_deliveries_are_listed_by_what_narrows_them(harness: SyncHarness, one_dead: int) -> None:
    publish_people_of_another(harness)
    everything = delivery_commands.list_deliveries(harness.store, DeliverySelection(), who=WHO, now=NOW)
    assert len(everything) == 11
    of_person = DeliverySelection(
        person=PersonId("patient-1"), states=(DeliveryState.DEAD, DeliveryState.WAITING)
    )
    found = delivery_commands.list_deliveries(harness.store, of_person, who=WHO, now=NOW)
    assert [d.reference for d in found] == ["Observation/score-1-2", "QuestionnaireResponse/response-1-2"]
    assert (
        delivery_commands.list_deliveries(
            harness.store, DeliverySelection(since=NOW + timedelta(days=1)), who=WHO, now=NOW
        )
        == []
    )
    assert audited(harness)[0] == ("deliveries list", "read", "11")


def publish_people_of_another(harness: SyncHarness) -> None:
    publish(harness.store, [organization(), score(1, 3, "5.00")])


def test_a_delivery_is_shown_with_the_bytes_it_sent_and_what_stands_about_it(
    harness: SyncHarness, one_dead: int
) -> None:
    shown = delivery_commands.show_delivery(harness.store, one_dead, who=WHO, now=NOW)
    assert (shown.delivery.state, shown.delivery.last_status) == (DeliveryState.DEAD, 400)
    assert shown.sent_bytes is None
    assert [item.details["delivery"] for item in shown.work_items] == [one_dead]
    sent = next(d for d in harness.deliveries() if d.reference == "Patient/patient-1")
    shown = delivery_commands.show_delivery(harness.store, sent.seq, who=WHO, now=NOW)
    assert shown.sent_bytes is not None
    assert b"Example 1" in shown.sent_bytes
    with harness.store.read() as uow:
        (_, first), (_, second) = uow.audit.list_all()
    assert (second.resources, second.persons) == (("Patient/patient-1/_history/1",), ("patient-1",))
    assert first.route == "deliveries show"


def test_a_delivery_that_is_not_there_is_not_shown(harness: SyncHarness) -> None:
    with pytest.raises(NoSuchDelivery):
        delivery_commands.show_delivery(harness.store, 77, who=WHO, now=NOW)


def test_a_replay_is_dry_until_it_is_said_to_be_meant(harness: SyncHarness, one_dead: int) -> None:
    dry = delivery_commands.replay(harness.store, SPOILT, who=WHO, now=NOW)
    assert ([d.seq for d in dry.chosen], dry.done) == ([one_dead], False)
    assert harness.state_of("QuestionnaireResponse/response-1-2") == "dead"
    delivery_commands.replay(harness.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert harness.state_of("QuestionnaireResponse/response-1-2") == "pending"
    assert audited(harness)[-2:] == [
        ("deliveries replay (dry run)", "read", "1"),
        ("deliveries replay", "update", "1"),
    ]


def test_a_replay_of_what_is_still_refused_is_dead_again_under_the_same_work_item(
    harness: SyncHarness, one_dead: int
) -> None:
    (before,) = harness.work_items()
    delivery_commands.replay(harness.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert harness.push().counts["dead"] == 1
    (after,) = harness.work_items()
    assert after.id == before.id


@pytest.mark.promise("P2")
def test_a_replay_twice_has_the_effect_of_one(harness: SyncHarness, one_dead: int) -> None:
    for _ in range(2):
        delivery_commands.replay(harness.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert harness.states()["pending"] == 1


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (DeliverySelection(person=PersonId("patient-1")), True),
        (DeliverySelection(person=PersonId("patient-2")), False),
        (DeliverySelection(destination=HOSPITAL), True),
        (DeliverySelection(destination=DestinationId("elsewhere")), False),
        (DeliverySelection(since=NOW, until=NOW + timedelta(minutes=1)), True),
        (DeliverySelection(since=NOW + timedelta(minutes=1)), False),
        (DeliverySelection(until=NOW), False),
        (DeliverySelection(destination=HOSPITAL, until=NOW + timedelta(minutes=1)), True),
    ],
)
def test_a_replay_is_chosen_by_person_destination_or_time(
    harness: SyncHarness, one_dead: int, selection: DeliverySelection, chosen: bool
) -> None:
    dry = delivery_commands.replay(harness.store, selection, who=WHO, now=NOW)
    assert [d.seq for d in dry.chosen] == ([one_dead] if chosen else [])


def test_a_replay_drains_gently(harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy) -> None:
    publish(harness.store, [organization()])
    harness.push()
    publish_people(harness.store, 8, each=1)
    proxy.plan = lambda call: InjectedFault("refused", status=422) if call.method != "GET" else None
    harness.push()
    assert harness.states() == {"sent": 1, "dead": 16, "waiting": 16}, (
        "patients and letters; the rest rests on them"
    )
    proxy.plan = lambda _: None
    delivery_commands.replay(
        harness.store, DeliverySelection(destination=HOSPITAL), who=WHO, now=harness.now, dry_run=False
    )
    began = harness.now
    harness.push(drain_per_second=2)
    assert harness.now - began >= timedelta(seconds=7 * 0.25), "not all in one moment"
    assert len(ehr.all("Patient")) == 8
    harness.push_until_quiet()
    with harness.store.read() as uow:
        assert uow.breakers.get(HOSPITAL).state == "closed"


def test_a_dead_version_whose_successor_went_is_not_replayed(
    harness: SyncHarness, ehr: EhrObserver, one_dead: int
) -> None:
    publish(harness.store, [questionnaire_response(1, 2, status="amended")])
    replayed = delivery_commands.replay(harness.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert (replayed.chosen, [d.seq for d in replayed.overtaken]) == ((), [one_dead])
    harness.push()
    assert ehr.get("QuestionnaireResponse/response-1-2")["status"] == "amended"
    assert harness.states().keys() == {"sent", "superseded"}


def test_a_replay_of_everything_must_be_asked_for_by_name(harness: SyncHarness) -> None:
    with pytest.raises(EmptySelection):
        delivery_commands.replay(harness.store, DeliverySelection(), who=WHO, now=NOW)


def test_a_destination_that_came_later_is_served_by_a_backfill(harness: SyncHarness) -> None:
    clinic = DestinationId("clinic")
    publish_people(harness.store, 2)
    publish(harness.store, [score(1, 1, "5.00")])
    assert delivery_commands.backfill(harness.store, clinic, who=WHO, now=NOW) == 17
    assert delivery_commands.backfill(harness.store, clinic, who=WHO, now=NOW) == 0
    found = delivery_commands.list_deliveries(
        harness.store, DeliverySelection(destination=clinic), who=WHO, now=NOW
    )
    assert {d.version for d in found if d.reference == "Observation/score-1-1"} == {2}
    assert (
        len(
            delivery_commands.list_deliveries(
                harness.store, DeliverySelection(destination=HOSPITAL), who=WHO, now=NOW
            )
        )
        == 18
    )


def test_a_paused_destination_is_called_again_when_the_operator_says_so(harness: SyncHarness) -> None:
    publish_people(harness.store, 1)
    with harness.store.begin_without_publishing() as uow:
        breaker = uow.breakers.get(HOSPITAL)
        uow.breakers.put(HOSPITAL, type(breaker)("paused", 0, NOW, NOW + timedelta(hours=1), "403"))
    assert harness.push().counts == {}
    delivery_commands.unpause(harness.store, HOSPITAL, who=WHO, now=NOW)
    assert harness.push().counts["sent"] == 9
