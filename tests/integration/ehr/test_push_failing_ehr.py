"""A destination that is down, busy or refuses us: bounded calls, nothing lost, and a person is told when it is their turn."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness


def writes(proxy: FaultProxy) -> int:
    return len(proxy.written_bodies())


def test_a_pause_ends_by_itself_when_what_was_wrong_is_mended(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 3)
    proxy.plan = lambda call: InjectedFault("refused", status=403) if call.method != "GET" else None
    harness.push()
    proxy.plan = lambda _: None
    harness.later(minutes=61)
    assert harness.push_until_quiet()["sent"] == 25
    assert harness.work_items() == []


@pytest.mark.promise("P7")
def test_a_down_destination_opens_the_breaker_and_counts_no_age_for_who_was_not_tried(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish_people(harness.store, 30, first=100)
    proxy.plan = lambda _: InjectedFault("down", reset_before=True)
    harness.push()
    tried = {
        d.lane for d in harness.deliveries() if d.first_attempt_at is not None and d.state.value == "pending"
    }
    assert 5 <= len(tried) <= 6
    with harness.store.read() as uow:
        breaker = uow.breakers.get(harness.destination.id)
    assert (breaker.state, breaker.failures >= 5) == ("open", True)


@pytest.mark.promise("P1")
def test_what_fails_for_three_days_is_dead_and_a_person_is_told(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "5.00")])
    proxy.plan = lambda _: InjectedFault("down", status=503)
    harness.push()
    harness.later(hours=71)
    harness.push()
    assert harness.state_of("Observation/score-1-1") == "pending"
    harness.later(hours=2)
    harness.push()
    assert harness.state_of("Observation/score-1-1") == "dead"
    (item,) = harness.work_items()
    assert (item.kind, item.details["reason"]) == (DELIVERY_REFUSED, "failing for 3 days")
    assert ehr.versions("Observation/score-1-1") == 1


def test_attempts_back_off(harness: SyncHarness, proxy: FaultProxy) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "5.00")])
    proxy.plan = lambda _: InjectedFault("down", status=500)
    spans = []
    for _ in range(8):
        harness.push()
        (delivery,) = [d for d in harness.deliveries() if d.state.value == "pending"]
        spans.append((delivery.next_attempt_at - harness.now).total_seconds())
        harness.now = max(delivery.next_attempt_at, harness.now) + timedelta(minutes=16)
    assert delivery.attempts == 8
    assert all(wait <= 2.0 * 2**n for n, wait in enumerate(spans))
    assert max(spans[4:]) > 2.0
