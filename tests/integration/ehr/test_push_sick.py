"""A destination that is down, busy or refuses us: bounded calls, nothing lost, and a person is told when it is their turn."""

from datetime import timedelta

from fhir_pmp.ehr.ledger import REFUSED
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import publish, publish_people, score


def writes(proxy: FaultProxy) -> int:
    return len(proxy.written())


def test_a_pause_ends_by_itself_when_what_was_wrong_is_mended(house: House, proxy: FaultProxy) -> None:
    publish_people(house.store, 3)
    proxy.plan = lambda call: Fault("refused", status=403) if call.method != "GET" else None
    house.push()
    proxy.plan = lambda _: None
    house.later(minutes=61)
    assert house.push_until_quiet()["sent"] == 25
    assert house.work_items() == []


def test_a_down_destination_opens_the_breaker_and_counts_no_age_for_who_was_not_tried(
    house: House, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish_people(house.store, 30, first=100)
    proxy.plan = lambda _: Fault("down", reset_before=True)
    house.push()
    tried = {d.lane for d in house.deliveries() if d.tried_at is not None and d.state.value == "pending"}
    assert 5 <= len(tried) <= 6
    with house.store.read() as books:
        breaker = books.breakers.get(house.destination.id)
    assert (breaker.state, breaker.failures >= 5) == ("open", True)


def test_what_fails_for_three_days_is_dead_and_a_person_is_told(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, 1, "5.00")])
    proxy.plan = lambda _: Fault("down", status=503)
    house.push()
    house.later(hours=71)
    house.push()
    assert house.state_of("Observation/score-1-1") == "pending"
    house.later(hours=2)
    house.push()
    assert house.state_of("Observation/score-1-1") == "dead"
    (item,) = house.work_items()
    assert (item.kind, item.details["reason"]) == (REFUSED, "failing for 3 days")
    assert ehr.versions("Observation/score-1-1") == 1


def test_attempts_back_off(house: House, proxy: FaultProxy) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, 1, "5.00")])
    proxy.plan = lambda _: Fault("down", status=500)
    spans = []
    for _ in range(8):
        house.push()
        (delivery,) = [d for d in house.deliveries() if d.state.value == "pending"]
        spans.append((delivery.next_at - house.now).total_seconds())
        house.now = max(delivery.next_at, house.now) + timedelta(minutes=16)
    assert delivery.attempts == 8
    assert all(wait <= 2.0 * 2**n for n, wait in enumerate(spans))
    assert max(spans[4:]) > 2.0
