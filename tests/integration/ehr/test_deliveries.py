"""What an operator does with deliveries, and the audit row that each use leaves."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr import deliveries
from fhir_pmp.ehr.deliveries import NoSuchDelivery, NotASelection, Selection
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store.deliveries import DeliveryState
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import (
    HOSPITAL,
    NOW,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)

WHO = "command:operator"
SPOILT = Selection(reference="QuestionnaireResponse/response-1-2")


@pytest.fixture
def one_dead(house: House) -> int:
    """Somebody's response was refused; the number of its delivery."""
    publish_people(house.store, 1)
    publish(house.store, [questionnaire_response(1, 2, status="finished")])
    house.push()
    return next(d.seq for d in house.deliveries() if d.state is DeliveryState.DEAD)


def audited(house: House) -> list[tuple[str, str, str]]:
    with house.store.read() as books:
        return [(row.route, row.action, row.outcome) for _, row in books.audit.list_all()]


def test_deliveries_are_listed_by_what_narrows_them(house: House, one_dead: int) -> None:
    publish_people_of_another(house)
    everything = deliveries.list_deliveries(house.store, Selection(), who=WHO, now=NOW)
    assert len(everything) == 11
    of_person = Selection(person=PersonId("patient-1"), states=(DeliveryState.DEAD, DeliveryState.WAITING))
    found = deliveries.list_deliveries(house.store, of_person, who=WHO, now=NOW)
    assert [d.reference for d in found] == ["Observation/score-1-2", "QuestionnaireResponse/response-1-2"]
    assert (
        deliveries.list_deliveries(house.store, Selection(since=NOW + timedelta(days=1)), who=WHO, now=NOW)
        == []
    )
    assert audited(house)[0] == ("deliveries list", "read", "11")


def publish_people_of_another(house: House) -> None:
    publish(house.store, [organization(), score(1, 3, "5.00")])


def test_a_delivery_is_shown_with_the_bytes_it_sent_and_what_stands_about_it(
    house: House, one_dead: int
) -> None:
    shown = deliveries.show_delivery(house.store, one_dead, who=WHO, now=NOW)
    assert (shown.delivery.state, shown.delivery.last_status) == (DeliveryState.DEAD, 400)
    assert shown.sent_bytes is None
    assert [item.details["delivery"] for item in shown.work_items] == [one_dead]
    sent = next(d for d in house.deliveries() if d.reference == "Patient/patient-1")
    shown = deliveries.show_delivery(house.store, sent.seq, who=WHO, now=NOW)
    assert shown.sent_bytes is not None
    assert b"Example 1" in shown.sent_bytes
    with house.store.read() as books:
        (_, first), (_, second) = books.audit.list_all()
    assert (second.resources, second.persons) == (("Patient/patient-1/_history/1",), ("patient-1",))
    assert first.route == "deliveries show"


def test_a_delivery_that_is_not_there_is_not_shown(house: House) -> None:
    with pytest.raises(NoSuchDelivery):
        deliveries.show_delivery(house.store, 77, who=WHO, now=NOW)


def test_a_replay_is_dry_until_it_is_said_to_be_meant(house: House, one_dead: int) -> None:
    dry = deliveries.replay(house.store, SPOILT, who=WHO, now=NOW)
    assert ([d.seq for d in dry.chosen], dry.done) == ([one_dead], False)
    assert house.state_of("QuestionnaireResponse/response-1-2") == "dead"
    deliveries.replay(house.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert house.state_of("QuestionnaireResponse/response-1-2") == "pending"
    assert audited(house)[-2:] == [
        ("deliveries replay (dry run)", "read", "1"),
        ("deliveries replay", "update", "1"),
    ]


def test_a_replay_of_what_is_still_refused_is_dead_again_under_the_same_work_item(
    house: House, one_dead: int
) -> None:
    (before,) = house.work_items()
    deliveries.replay(house.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert house.push().counts["dead"] == 1
    (after,) = house.work_items()
    assert after.id == before.id


def test_a_replay_twice_has_the_effect_of_one(house: House, one_dead: int) -> None:
    for _ in range(2):
        deliveries.replay(house.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert house.states()["pending"] == 1


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(person=PersonId("patient-1")), True),
        (Selection(person=PersonId("patient-2")), False),
        (Selection(destination=HOSPITAL), True),
        (Selection(destination=DestinationId("elsewhere")), False),
        (Selection(since=NOW, until=NOW + timedelta(minutes=1)), True),
        (Selection(since=NOW + timedelta(minutes=1)), False),
        (Selection(until=NOW), False),
        (Selection(destination=HOSPITAL, until=NOW + timedelta(minutes=1)), True),
    ],
)
def test_a_replay_is_chosen_by_person_destination_or_time(
    house: House, one_dead: int, selection: Selection, chosen: bool
) -> None:
    dry = deliveries.replay(house.store, selection, who=WHO, now=NOW)
    assert [d.seq for d in dry.chosen] == ([one_dead] if chosen else [])


def test_a_replay_drains_gently(house: House, ehr: Ehr, proxy: FaultProxy) -> None:
    publish(house.store, [organization()])
    house.push()
    publish_people(house.store, 8, each=1)
    proxy.plan = lambda call: Fault("refused", status=422) if call.method != "GET" else None
    house.push()
    assert house.states() == {"sent": 1, "dead": 16, "waiting": 16}, (
        "patients and letters; the rest rests on them"
    )
    proxy.plan = lambda _: None
    deliveries.replay(house.store, Selection(destination=HOSPITAL), who=WHO, now=house.now, dry_run=False)
    began = house.now
    house.push(drain_per_second=2)
    assert house.now - began >= timedelta(seconds=7 * 0.25), "not all in one moment"
    assert len(ehr.all("Patient")) == 8
    house.push_until_quiet()
    with house.store.read() as books:
        assert books.breakers.get(HOSPITAL).state == "closed"


def test_a_dead_version_whose_successor_went_is_not_replayed(house: House, ehr: Ehr, one_dead: int) -> None:
    publish(house.store, [questionnaire_response(1, 2, status="amended")])
    replayed = deliveries.replay(house.store, SPOILT, who=WHO, now=NOW, dry_run=False)
    assert (replayed.chosen, [d.seq for d in replayed.overtaken]) == ((), [one_dead])
    house.push()
    assert ehr.get("QuestionnaireResponse/response-1-2")["status"] == "amended"
    assert house.states().keys() == {"sent", "superseded"}


def test_a_replay_of_everything_must_be_asked_for_by_name(house: House) -> None:
    with pytest.raises(NotASelection):
        deliveries.replay(house.store, Selection(), who=WHO, now=NOW)


def test_a_destination_that_came_later_is_served_by_a_backfill(house: House) -> None:
    clinic = DestinationId("clinic")
    publish_people(house.store, 2)
    publish(house.store, [score(1, 1, "5.00")])
    assert deliveries.backfill(house.store, clinic, who=WHO, now=NOW) == 17
    assert deliveries.backfill(house.store, clinic, who=WHO, now=NOW) == 0
    found = deliveries.list_deliveries(house.store, Selection(destination=clinic), who=WHO, now=NOW)
    assert {d.version for d in found if d.reference == "Observation/score-1-1"} == {2}
    assert (
        len(deliveries.list_deliveries(house.store, Selection(destination=HOSPITAL), who=WHO, now=NOW)) == 18
    )


def test_a_paused_destination_is_called_again_when_the_operator_says_so(house: House) -> None:
    publish_people(house.store, 1)
    with house.store.begin_beside() as books:
        breaker = books.breakers.get(HOSPITAL)
        books.breakers.put(HOSPITAL, type(breaker)("paused", 0, NOW, NOW + timedelta(hours=1), "403"))
    assert house.push().counts == {}
    deliveries.unpause(house.store, HOSPITAL, who=WHO, now=NOW)
    assert house.push().counts["sent"] == 9
