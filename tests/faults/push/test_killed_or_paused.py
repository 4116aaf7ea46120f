"""F03 to F08: a sync process is killed or paused at the worst moment, and nothing is lost, doubled or reversed."""

import signal
import threading
from datetime import timedelta

import pytest

from tests.fault_injection.fault_proxy import Call, InjectedFault, first_where, is_write_containing
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sample_resources import NOW, score

KILLED = -signal.SIGKILL
AFTER_THE_LEASE = NOW + timedelta(hours=1)


def recover(scenario: FaultScenario) -> None:
    """Somebody else pushes, once the lease of the dead one has ended."""
    scenario.harness.now = AFTER_THE_LEASE
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)
    everything = {d.reference for d in scenario.harness.deliveries()}
    assert len(everything) == 1 + 8 * 2


@pytest.mark.promise("P1")
def test_f03_killed_after_the_claim_the_lease_ends_and_all_is_sent_once(
    scenario_also_on_hapi: FaultScenario,
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    assert scenario.push_processes.run(scenario.proxy.address, crash_at="lane claimed") == KILLED
    assert scenario.proxy.written_bodies() == []
    scenario.harness.push()
    assert scenario.harness.states()["in_flight"] == 1, (
        "the lease holds: nobody else sends what the dead one claimed"
    )
    recover(scenario)


@pytest.mark.promise("P2")
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
def test_f04_killed_after_the_bytes_were_sent_before_the_answer_came(
    scenario_also_on_hapi: FaultScenario, stored: bool
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()

    def kill() -> None:
        scenario.push_processes.started[0].kill()
        scenario.push_processes.started[0].wait()

    fault = (
        InjectedFault("killed after commit", after_upstream=kill)
        if stored
        else InjectedFault("killed before commit", before_upstream=kill, reset_before=True)
    )
    text = f"Patient/patient-{scenario.first + 1}".encode()
    scenario.proxy.plan = first_where(lambda call: text in call.body, fault)
    assert scenario.push_processes.run(scenario.proxy.address) == KILLED
    assert any(text in seen.body for seen in scenario.proxy.stored_calls()) == stored
    recover(scenario)


@pytest.mark.promise("P2")
def test_f05_killed_after_the_answer_before_it_was_written_down(scenario_also_on_hapi: FaultScenario) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    assert scenario.push_processes.run(scenario.proxy.address, crash_at="bundle answered") == KILLED
    assert scenario.harness.states()["in_flight"] >= 8
    recover(scenario)


@pytest.mark.promise("P2")
@pytest.mark.parametrize("point", ["delivery settled", "lane released"])
def test_f06_killed_after_it_was_written_down_nothing_of_it_is_sent_again(
    scenario_also_on_hapi: FaultScenario, point: str
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people()
    assert scenario.push_processes.run(scenario.proxy.address, crash_at=point) == KILLED
    settled = {d.reference for d in scenario.harness.deliveries() if d.state.value == "sent"}
    assert settled
    before = len(scenario.proxy.written_bodies())
    recover(scenario)
    again = b"".join(scenario.proxy.written_bodies()[before:])
    assert again
    assert not any(f'"url": "{reference}"'.encode() in again for reference in settled)


def test_f07_killed_in_the_middle_of_a_transaction_whole_or_nothing_is_there_and_it_is_sent_again(
    scenario: FaultScenario,
) -> None:
    scenario.publish_people()
    statuses: list[int] = []

    def kill_and_look() -> None:
        scenario.push_processes.started[0].kill()
        scenario.push_processes.started[0].wait()

    text = f"Patient/patient-{scenario.first + 1}".encode()
    scenario.proxy.plan = first_where(
        is_write_containing(text), InjectedFault("cut", cut_upstream=kill_and_look)
    )
    assert scenario.push_processes.run(scenario.proxy.address) == KILLED
    for reference in (f"Patient/patient-{scenario.first + 1}", f"Observation/score-{scenario.first + 1}-1"):
        statuses.append(scenario.ehr.ask("GET", reference).status_code)
    assert statuses == [404, 404], "half of a transaction is nothing of it"
    recover(scenario)


class HeldRequest:
    """A request that the proxy holds on its way to the EHR until the test lets it go."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.arrived = threading.Event()
        self.release = threading.Event()
        self.done = threading.Event()

    def plan(self, call: Call) -> InjectedFault | None:
        """Holds the first that carries the text."""
        if self.arrived.is_set() or self.text not in call.body:
            return None
        self.arrived.set()
        return InjectedFault("held", before_upstream=self._hold, after_upstream=self.done.set)

    def _hold(self) -> None:
        assert self.release.wait(60)


@pytest.mark.promise("P3")
@pytest.mark.parametrize("first_write", [False, True], ids=["update", "first write"])
def test_f08_a_worker_paused_past_its_lease_reverses_nothing(
    scenario: FaultScenario, first_write: bool
) -> None:
    scenario.publish_people(1)
    if not first_write:
        scenario.harness.push_until_quiet()
        scenario.publish(score(1, 1, "6.00"))
    held = HeldRequest(b"score-1-1")
    scenario.proxy.plan = held.plan
    slow = scenario.push_processes.start(scenario.proxy.address)
    assert held.arrived.wait(30)
    slow.pause()
    scenario.publish(score(1, 1, "5.00"))
    scenario.harness.now = AFTER_THE_LEASE
    scenario.harness.push()
    assert scenario.value() == "5.00"

    held.release.set()
    assert held.done.wait(30)
    slow.resume()
    assert slow.wait() == 0
    # An update is fenced by If-Match. A first write has nothing to be fenced by: what it did is found and mended.
    scenario.harness.later(hours=1)
    scenario.harness.push()
    assert scenario.value() == "5.00"
    assert scenario.ehr.versions(scenario.score_reference) == (3 if first_write else 2)
    newest_delivery = scenario.newest_delivery()
    assert (newest_delivery.state.value, newest_delivery.version) == ("sent", 2 if first_write else 3)
    assert scenario.harness.work_items() == []
