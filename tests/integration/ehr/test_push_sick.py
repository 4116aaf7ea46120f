"""A destination that is down, busy or refuses us: bounded calls, nothing lost, and a person is told when it is their turn."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.ledger import REFUSED
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import NOW, publish, publish_people, score


def writes(proxy: FaultProxy) -> int:
    return len(proxy.written())


@pytest.mark.parametrize("status", [401, 402, 403, 407, 451])
def test_a_destination_that_refuses_us_is_paused_and_a_person_called(
    house: House, proxy: FaultProxy, status: int
) -> None:
    publish_people(house.store, 3)
    proxy.plan = lambda call: Fault("refused", status=status) if call.method != "GET" else None
    house.push()
    house.later(minutes=30)
    house.push()
    assert writes(proxy) == 1
    (item,) = house.work_items()
    assert (item.kind, item.role, item.details["status"]) == ("destination_paused", "administrator", status)
    assert {(d.state.value, d.attempts) for d in house.deliveries()} == {("pending", 0)}


def test_a_pause_ends_by_itself_when_what_was_wrong_is_mended(house: House, proxy: FaultProxy) -> None:
    publish_people(house.store, 3)
    proxy.plan = lambda call: Fault("refused", status=403) if call.method != "GET" else None
    house.push()
    proxy.plan = lambda _: None
    house.later(minutes=61)
    assert house.push_until_quiet()["sent"] == 25
    assert house.work_items() == []


@pytest.mark.parametrize("text", ["600", "Sun, 05 Apr 2026 03:09:59 GMT"], ids=["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_holds_for_the_whole_destination(
    house: House, proxy: FaultProxy, status: int, text: str
) -> None:
    publish_people(house.store, 3)
    house.now = NOW
    busy = Fault("busy", status=status, status_headers={"Retry-After": text})
    proxy.plan = lambda call: busy if call.method != "GET" else None
    house.push()
    before = writes(proxy)
    assert before == 1
    for _ in range(59):
        house.later(seconds=10)
        house.push()
    assert writes(proxy) == before
    proxy.plan = lambda _: None
    house.later(seconds=13)
    assert house.push_until_quiet()["sent"] == 25


@pytest.mark.parametrize("text", ["-5", "abc", ""])
def test_a_retry_after_that_is_nonsense_is_ignored(house: House, proxy: FaultProxy, text: str) -> None:
    publish_people(house.store, 1)
    busy = Fault("busy", status=503, status_headers={"Retry-After": text})
    proxy.plan = lambda call: busy if call.method != "GET" else None
    house.push()
    proxy.plan = lambda _: None
    house.later(seconds=3)
    assert house.push_until_quiet()["sent"] == 9


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
