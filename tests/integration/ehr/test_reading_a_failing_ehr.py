"""Whoever reads from a sick EHR ends at its first answer, and what that asks for holds for everybody."""

from collections.abc import Callable
from random import Random

import pytest

from fhir_pmp.ehr.connection.breaker import StoredBreaker
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.integration.ehr.pull_and_reconcile import pull, reconcile
from tests.integration.ehr.sample_resources import organization, publish
from tests.integration.ehr.sync_harness import SyncHarness

BUSY = InjectedFault("busy", status=429, status_headers={"Retry-After": "600"})


@pytest.mark.promise("P7")
@pytest.mark.parametrize("reads", [pull, reconcile])
@pytest.mark.parametrize("first", ["the statement", "what is read"])
def test_a_reader_that_is_asked_to_wait_ends_there_and_nobody_asks_before(
    harness: SyncHarness, proxy: FaultProxy, reads: Callable[[SyncHarness], object], first: str
) -> None:
    publish(harness.store, [organization()])
    harness.push()

    def plan(call: Call) -> InjectedFault | None:
        return BUSY if call.path.endswith("/metadata") == (first == "the statement") else None

    proxy.plan = plan
    harness.later(days=2)
    calls = len(proxy.seen)
    reads(harness)
    refused = [seen for seen in proxy.seen[calls:] if seen.fault]
    assert len(refused) == 1
    harness.later(seconds=599)
    calls = len(proxy.seen)
    reads(harness)
    harness.push()
    assert len(proxy.seen) == calls


@pytest.mark.parametrize("reads", [pull, reconcile])
def test_a_reader_under_way_ends_when_somebody_else_is_asked_to_wait(
    harness: SyncHarness, proxy: FaultProxy, reads: Callable[[SyncHarness], object]
) -> None:
    publish(harness.store, [organization()])
    harness.push()

    def plan(call: Call) -> InjectedFault | None:
        if not call.path.endswith("/metadata"):
            breaker = StoredBreaker(harness.store, harness.destination.id, Random(1))
            breaker.record_failure(harness.now, "429", 600.0)
        return None

    proxy.plan = plan
    harness.later(days=2)
    calls = len(proxy.seen)
    reads(harness)
    asked = [seen for seen in proxy.seen[calls:] if not seen.path.endswith("/metadata")]
    assert len(asked) == 1
