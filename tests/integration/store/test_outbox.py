"""Deliveries leave in order, lane by lane, under a lease; an answer counts once, and only from the newest claim."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from fhir_pmp.identifiers import DestinationId, EpisodeId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.delivery.deliveries import (
    DEFINITIONS_LANE,
    ClaimedLane,
    Delivery,
    DeliveryState,
    EndedResult,
    LeaseLost,
    PutBackResult,
    SentResult,
)
from tests.integration.store.sample_records import MINUTE, NOW, add_person, resource

HOSPITAL = DestinationId("hospital")
LEASE = timedelta(seconds=90)
LATER = NOW + 10 * MINUTE


def queue(store: Store, publisher: Publisher, *, people: int = 1, each: int = 3, now: datetime = NOW) -> None:
    """Publishes `each` Observations of each person."""
    with store.begin() as uow:
        for n in range(1, people + 1):
            add_person(uow, n)
        publisher.publish(
            uow,
            [resource(f"o{n}-{k}", of=n) for k in range(1, each + 1) for n in range(1, people + 1)],
            now=now,
        )


def claim(store: Store, *, now: datetime = NOW, lanes: int = 10, per_lane: int = 50) -> list[ClaimedLane]:
    with store.begin_without_publishing() as uow:
        return uow.outbox.claim_due(HOSPITAL, now=now, lease=LEASE, lanes=lanes, per_lane=per_lane)


def sent(delivery: Delivery) -> SentResult:
    return SentResult(delivery.seq, 200, 'W/"1"', f"hash of {delivery.reference}", delivery.content)


def acknowledge_all(store: Store, claimed: ClaimedLane, now: datetime = NOW) -> None:
    with store.begin_without_publishing() as uow:
        uow.outbox.acknowledge(claimed, [sent(d) for d in claimed.deliveries], now=now)
        uow.outbox.release(claimed)


def id_versions(deliveries: Sequence[Delivery]) -> list[str]:
    return [f"{d.id}/{d.version}" for d in deliveries]


def states(uow: UnitOfWork) -> dict[str, str]:
    return {f"{d.id}/{d.version}": d.state.value for d in uow.deliveries.list_all()}


def test_a_lane_is_claimed_once_in_its_order_and_then_rests(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, people=2)
    first = claim(store, lanes=1)
    assert [(c.lane, id_versions(c.deliveries)) for c in first] == [
        ("patient-1", ["o1-1/1", "o1-2/1", "o1-3/1"])
    ]
    second = claim(store)
    assert [c.lane for c in second] == ["patient-2"]
    assert claim(store) == []
    acknowledge_all(store, first[0])
    assert claim(store) == []
    with store.read() as uow:
        assert states(uow)["o1-1/1"] == "sent"
        assert states(uow)["o2-1/1"] == "in_flight"
        delivery = uow.deliveries.list_all(states=[DeliveryState.SENT])[0]
        assert (delivery.sent_at, delivery.etag, delivery.last_status) == (NOW, 'W/"1"', 200)
        assert (delivery.sent_hash, delivery.attempts) == ("hash of Observation/o1-1", 1)
        assert uow.deliveries.sent_bytes(delivery.seq) == delivery.content
        assert uow.deliveries.last_success_at(HOSPITAL) == NOW
        assert uow.deliveries.oldest_unsent_at(HOSPITAL) == NOW


def test_a_lane_gives_out_a_handful_and_the_rest_next_time(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, each=5)
    (part,) = claim(store, per_lane=2)
    assert id_versions(part.deliveries) == ["o1-1/1", "o1-2/1"]
    acknowledge_all(store, part)
    (rest,) = claim(store)
    assert id_versions(rest.deliveries) == ["o1-3/1", "o1-4/1", "o1-5/1"]


def test_a_lane_nobody_answered_for_comes_again_as_unknown_when_its_lease_ends(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher, each=2)
    (lost,) = claim(store)
    assert claim(store, now=NOW + LEASE - timedelta(milliseconds=1)) == []
    (again,) = claim(store, now=NOW + LEASE)
    assert again.epoch == lost.epoch + 1
    assert [(d.id, d.may_have_arrived, d.attempts) for d in again.deliveries] == [
        ("o1-1", True, 1),
        ("o1-2", True, 1),
    ]
    with store.read() as uow:
        stored = uow.deliveries.get(again.deliveries[0].seq)
        assert (stored.may_have_arrived, stored.attempts) == (True, 1)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("last", [True, False], ids=["settled to the end", "given back"])
def test_what_a_killed_claim_left_comes_again_though_what_stands_before_it_fills_the_next(
    store: Store, publisher: Publisher, last: bool
) -> None:
    queue(store, publisher, each=4)
    (first,) = claim(store, per_lane=2)
    acknowledge_all(store, first)
    (killed,) = claim(store, per_lane=2)
    with store.begin_without_publishing() as uow:
        uow.delivery_checks.mark_unverified(HOSPITAL, [d.reference for d in first.deliveries], now=NOW)
    (again,) = claim(store, now=LATER, per_lane=2)
    assert id_versions(again.deliveries) == id_versions(first.deliveries)
    with store.begin_without_publishing() as uow:
        uow.outbox.acknowledge(again, [sent(d) for d in again.deliveries], now=LATER, last=last)
        if not last:
            uow.outbox.release(again)
    (left,) = claim(store, now=LATER, per_lane=2)
    assert id_versions(left.deliveries) == id_versions(killed.deliveries)
    assert all(d.may_have_arrived for d in left.deliveries)


@pytest.mark.parametrize("answer", ["settle", "put_back", "end", "park", "release", "extend"])
def test_an_answer_of_an_older_claim_is_refused_and_changes_nothing(
    store: Store, publisher: Publisher, answer: str
) -> None:
    queue(store, publisher, each=2)
    (zombie,) = claim(store)
    (current,) = claim(store, now=NOW + LEASE)
    first = zombie.deliveries[0]
    with store.read() as uow:
        before = uow.deliveries.list_all()
    with pytest.raises(LeaseLost), store.begin_without_publishing() as uow:
        outbox = uow.outbox
        {
            "settle": lambda: outbox.acknowledge(zombie, [sent(first)], now=NOW),
            "put_back": lambda: outbox.put_back(
                zombie, [PutBackResult(first.seq, LATER, True, 503, "later")], now=NOW
            ),
            "end": lambda: outbox.end(zombie, [EndedResult(first.seq, DeliveryState.DEAD, 400, "bad")]),
            "park": lambda: outbox.hold(zombie, "no link"),
            "release": lambda: outbox.release(zombie),
            "extend": lambda: outbox.extend(zombie, LATER),
        }[answer]()
    with store.read() as uow:
        assert uow.deliveries.list_all() == before
    acknowledge_all(store, current)


def test_a_slow_answer_still_counts_while_nobody_else_claimed(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, each=1)
    (slow,) = claim(store)
    acknowledge_all(store, slow, now=NOW + 2 * LEASE)
    assert claim(store, now=NOW + 3 * LEASE) == []


@pytest.mark.promise("P4")
def test_what_is_put_back_holds_up_its_lane_and_no_other(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, people=2, each=2)
    one, two = claim(store)
    with store.begin_without_publishing() as uow:
        back = [PutBackResult(d.seq, LATER, d.id == "o1-1", 503, "busy") for d in one.deliveries]
        uow.outbox.put_back(one, back, now=NOW)
        uow.outbox.release(one)
    acknowledge_all(store, two)
    with store.begin() as uow:
        publisher.publish(uow, [resource("o1-9", of=1), resource("o2-9", of=2)], now=NOW)
    (other,) = claim(store)
    assert (other.lane, id_versions(other.deliveries)) == ("patient-2", ["o2-9/1"])
    acknowledge_all(store, other)
    (again,) = claim(store, now=LATER)
    assert [(d.id, d.attempts, d.may_have_arrived, d.last_status) for d in again.deliveries] == [
        ("o1-1", 1, True, 503),
        ("o1-2", 1, False, 503),
        ("o1-9", 0, False, None),
    ]
    assert again.deliveries[0].first_attempt_at == NOW


def test_the_first_that_is_not_due_holds_up_those_behind_it(store: Store, publisher: Publisher) -> None:
    queue(store, publisher)
    (lane,) = claim(store)
    with store.begin_without_publishing() as uow:
        uow.outbox.put_back(lane, [PutBackResult(lane.deliveries[1].seq, LATER, False, 429, "busy")], now=NOW)
        uow.outbox.release(lane)  # the first and the third were not answered for
    (again,) = claim(store)
    assert id_versions(again.deliveries) == ["o1-1/1"]
    acknowledge_all(store, again)
    assert claim(store) == []
    (rest,) = claim(store, now=LATER)
    assert id_versions(rest.deliveries) == ["o1-2/1", "o1-3/1"]


def test_a_dead_delivery_leaves_its_lane_open_and_can_be_replayed_once(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher)
    (lane,) = claim(store)
    dead = lane.deliveries[0]
    with store.begin_without_publishing() as uow:
        uow.outbox.end(lane, [EndedResult(dead.seq, DeliveryState.DEAD, 422, "invalid")])
        uow.outbox.release(lane)
        assert uow.deliveries.find_undelivered(
            HOSPITAL, ["Observation/o1-1", "Observation/o1-2", "Observation/none"]
        ) == {
            "Observation/o1-1": DeliveryState.DEAD,
            "Observation/o1-2": DeliveryState.PENDING,
            "Observation/none": None,
        }
    (rest,) = claim(store)
    assert id_versions(rest.deliveries) == ["o1-2/1", "o1-3/1"]
    acknowledge_all(store, rest)
    assert claim(store) == []
    with store.begin_without_publishing() as uow:
        (listed,) = uow.deliveries.list_all(states=[DeliveryState.DEAD])
        assert (listed.last_status, listed.reason, listed.attempts) == (422, "invalid", 1)
        assert uow.deliveries.replay([dead.seq, rest.deliveries[0].seq], now=LATER) == 1
        assert uow.deliveries.replay([dead.seq], now=LATER) == 0
    assert claim(store, now=NOW) == []
    (again,) = claim(store, now=LATER)
    assert [(d.seq, d.attempts) for d in again.deliveries] == [(dead.seq, 0)]


@pytest.mark.promise("P3")
def test_a_replay_never_takes_a_destination_back(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, each=1)
    (lane,) = claim(store)
    dead = lane.deliveries[0]
    with store.begin_without_publishing() as uow:
        uow.outbox.end(lane, [EndedResult(dead.seq, DeliveryState.DEAD, 422, "invalid")])
        uow.outbox.release(lane)
    with store.begin() as uow:
        publisher.publish(uow, [resource("o1-1", text="corrected")], now=NOW)
    (newer,) = claim(store)
    assert id_versions(newer.deliveries) == ["o1-1/2"]
    acknowledge_all(store, newer)
    with store.begin_without_publishing() as uow:
        assert uow.deliveries.replay([dead.seq], now=NOW) == 0
    assert claim(store) == []


def test_a_parked_lane_waits_without_attempts_and_goes_on_in_order(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher)
    (lane,) = claim(store, per_lane=1)
    with store.begin_without_publishing() as uow:
        uow.outbox.hold(lane, "the patient is not linked")
        uow.outbox.release(lane)
        assert set(states(uow).values()) == {"waiting"}
    assert claim(store, now=LATER) == []
    with store.begin_without_publishing() as uow:
        assert uow.outbox.resume(HOSPITAL, "patient-1", now=LATER) == 3
        assert uow.outbox.resume(HOSPITAL, "patient-1", now=LATER) == 0
    (again,) = claim(store, now=LATER)
    assert id_versions(again.deliveries) == ["o1-1/1", "o1-2/1", "o1-3/1"]
    assert {(d.attempts, d.may_have_arrived, d.first_attempt_at) for d in again.deliveries} == {
        (0, False, None)
    }


def test_definitions_go_first_and_people_follow_when_none_is_due(store: Store, publisher: Publisher) -> None:
    queue(store, publisher)
    with store.begin() as uow:
        publisher.publish(
            uow,
            [resource("q1", type="Questionnaire", of=None, sharing=Sharing.DEFINITION)],
            now=NOW,
        )
    (first,) = claim(store)
    assert first.lane == DEFINITIONS_LANE
    assert claim(store) == []  # they are on their way
    with store.begin_without_publishing() as uow:
        uow.outbox.put_back(
            first, [PutBackResult(first.deliveries[0].seq, LATER, False, 503, "busy")], now=NOW
        )
        uow.outbox.release(first)
    (second,) = claim(store)
    assert second.lane == "patient-1"  # a definition that backs off does not stop everybody


def test_only_the_newest_version_is_sent_and_it_inherits_the_doubt(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher, each=1)
    (lane,) = claim(store)
    with store.begin() as uow:
        publisher.publish(uow, [resource("o1-1", text="newer")], now=NOW)
        assert states(uow) == {"o1-1/1": "in_flight", "o1-1/2": "pending"}
    assert claim(store) == []  # one at a time on a lane
    (again,) = claim(store, now=NOW + LEASE)
    assert [(d.version, d.may_have_arrived) for d in again.deliveries] == [(2, True)]
    with store.read() as uow:
        assert states(uow) == {"o1-1/1": "superseded", "o1-1/2": "in_flight"}
    with pytest.raises(LeaseLost):
        acknowledge_all(store, lane)


@pytest.mark.promise("P3")
def test_the_doubt_is_inherited_also_where_the_newer_version_is_not_due_when_the_older_gives_way(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher, each=1)
    claim(store)
    with store.begin() as uow:  # by a clock that is put back afterwards
        publisher.publish(uow, [resource("o1-1", text="newer")], now=LATER)
    assert claim(store, now=NOW + LEASE) == []
    with store.read() as uow:
        assert states(uow) == {"o1-1/1": "superseded", "o1-1/2": "pending"}
    (again,) = claim(store, now=LATER)
    assert [(d.version, d.may_have_arrived) for d in again.deliveries] == [(2, True)]


def test_a_version_settled_while_the_next_is_queued_is_followed_by_it(
    store: Store, publisher: Publisher
) -> None:
    queue(store, publisher, each=1)
    (lane,) = claim(store)
    with store.begin() as uow:
        publisher.publish(uow, [resource("o1-1", text="newer")], now=NOW)
    acknowledge_all(store, lane)
    (again,) = claim(store)
    assert [(d.version, d.may_have_arrived) for d in again.deliveries] == [(2, False)]


def test_a_destination_added_later_is_served_what_it_may_see_once(store: Store, publisher: Publisher) -> None:
    clinic = DestinationId("clinic")
    with store.begin() as uow:
        add_person(uow, 1)
        add_person(uow, 2, share=False)
        publisher.publish(
            uow,
            [
                resource("q1", type="Questionnaire", of=None, sharing=Sharing.DEFINITION),
                resource("o1", text="old"),
                resource("o2", of=2),
                resource("task-2", type="Task", of=2, sharing=Sharing.REFERRAL),
            ],
            now=NOW,
        )
        publisher.publish(uow, [resource("o1", text="new")], now=NOW)
    counts = []
    for _ in range(4):
        with store.begin_without_publishing() as uow:
            counts.append(uow.deliveries.backfill(clinic, now=NOW, most=2))
    assert counts == [2, 1, 0, 0]
    with store.read() as uow:
        served = uow.deliveries.list_all(destination=clinic)
        assert [(d.lane, d.id, d.version) for d in served] == [
            (DEFINITIONS_LANE, "q1", 1),
            ("patient-2", "task-2", 1),
            ("patient-1", "o1", 2),
        ]
        assert uow.deliveries.counts(clinic) == {clinic: {DeliveryState.PENDING: 3}}


def test_withheld_deliveries_are_not_claimed(store: Store, publisher: Publisher) -> None:
    queue(store, publisher)
    with store.begin() as uow:
        quiet = uow.episodes.set_consent(uow.episodes.get(EpisodeId("episode-1")), False, by="x", now=NOW)
        publisher.withhold(uow, quiet)
    assert claim(store) == []


def test_deliveries_are_listed_by_what_one_asks_for(store: Store, publisher: Publisher) -> None:
    queue(store, publisher, people=2, each=2)
    with store.read() as uow:
        queries = uow.deliveries
        all_of_them = queries.list_all()
        assert [d.id for d in queries.list_all(person=all_of_them[1].person)] == ["o2-1", "o2-2"]
        assert [d.id for d in queries.list_all(reference="Observation/o1-2")] == ["o1-2"]
        assert queries.list_all(since=NOW + MINUTE) == []
        assert queries.list_all(after=all_of_them[2].seq, limit=1) == all_of_them[3:]
        assert queries.list_all(destination=DestinationId("other")) == []
