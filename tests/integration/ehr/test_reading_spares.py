"""Whoever reads from a sick EHR ends at its first answer, and what that asks for holds for everybody."""

from collections.abc import Callable

import pytest

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
