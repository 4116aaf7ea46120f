"""Whoever reads from a sick EHR ends at its first answer, and what that asks for holds for everybody."""

from collections.abc import Callable
from random import Random

import pytest

from fhir_pmp.ehr.breaker import KeptBreaker
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.integration.ehr.house import House
from tests.integration.ehr.reading import pull, reconcile
from tests.integration.ehr.sample import organization, publish

BUSY = Fault("busy", status=429, status_headers={"Retry-After": "600"})


@pytest.mark.parametrize("reads", [pull, reconcile])
@pytest.mark.parametrize("first", ["the statement", "what is read"])
def test_a_reader_that_is_asked_to_wait_ends_there_and_nobody_asks_before(
    house: House, proxy: FaultProxy, reads: Callable[[House], object], first: str
) -> None:
    publish(house.store, [organization()])
    house.push()

    def plan(call: Call) -> Fault | None:
        return BUSY if call.path.endswith("/metadata") == (first == "the statement") else None

    proxy.plan = plan
    house.later(days=2)
    calls = len(proxy.seen)
    reads(house)
    refused = [seen for seen in proxy.seen[calls:] if seen.fault]
    assert len(refused) == 1
    house.later(seconds=599)
    calls = len(proxy.seen)
    reads(house)
    house.push()
    assert len(proxy.seen) == calls


@pytest.mark.parametrize("reads", [pull, reconcile])
def test_a_reader_under_way_ends_when_somebody_else_is_asked_to_wait(
    house: House, proxy: FaultProxy, reads: Callable[[House], object]
) -> None:
    publish(house.store, [organization()])
    house.push()

    def plan(call: Call) -> Fault | None:
        if not call.path.endswith("/metadata"):
            breaker = KeptBreaker(house.store, house.destination.id, Random(1))
            breaker.has_failed(house.now, "429", 600.0)
        return None

    proxy.plan = plan
    house.later(days=2)
    calls = len(proxy.seen)
    reads(house)
    asked = [seen for seen in proxy.seen[calls:] if not seen.path.endswith("/metadata")]
    assert len(asked) == 1
