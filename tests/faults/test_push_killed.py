"""F03 to F06, F08: a sync process is killed or paused at the worst moment, and nothing is lost, doubled or reversed."""

import signal
import threading
from datetime import timedelta

import pytest

from fhir_pmp.crash_points import POINTS
from fhir_pmp.store import Store
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.faults.sync_process import SyncProcesses
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import NOW, publish, publish_people, score

KILLED = -signal.SIGKILL
PUSH_POINTS = [name for name in POINTS if name.startswith(("lane", "bundle", "delivery"))]
AFTER_THE_LEASE = NOW + timedelta(hours=1)


def everything_is_there_once(house: House, ehr: Ehr, people: int) -> None:
    """No loss, no duplicate, no second version."""
    assert house.states() == {"sent": 1 + 8 * people}
    assert len(ehr.all("Patient")) == people
    for kind in ("Patient", "QuestionnaireResponse", "Observation", "Bundle", "Organization"):
        found = ehr.all(kind)
        assert {resource["meta"]["versionId"] for resource in found} == {"1"}
        keys = [str(resource["identifier"]) for resource in found]
        assert len(keys) == len(set(keys))
    assert len(ehr.all("Observation")) == 3 * people


def test_f03_killed_after_the_claim_the_lease_ends_and_all_is_sent_once(
    house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy
) -> None:
    publish_people(house.store, 3)
    assert syncs.run(proxy.address, crash_at="lane claimed") == KILLED
    assert proxy.written() == []
    assert syncs.run(proxy.address) == 0
    assert house.states()["in_flight"] == 1, "the lease holds: nobody else sends what the dead one claimed"
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE) == 0
    everything_is_there_once(house, ehr, 3)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
def test_f04_killed_after_the_bytes_were_sent_before_the_answer_came(
    house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy, stored: bool
) -> None:
    publish_people(house.store, 3)
    kills: list[int] = []

    def kill_in_the_second_transaction(call: Call) -> Fault | None:
        if kills or b"Patient/patient-2" not in call.body:
            return None
        kills.append(call.number)
        killed = syncs.started[0].kill
        if stored:
            return Fault("killed after commit", after_upstream=killed, wait_after=0.3)
        return Fault("killed before commit", before_upstream=killed, reset_before=True)

    proxy.plan = kill_in_the_second_transaction
    assert syncs.run(proxy.address) == KILLED
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE) == 0
    everything_is_there_once(house, ehr, 3)


def test_f05_killed_after_the_answer_before_it_was_written_down(
    house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy
) -> None:
    publish_people(house.store, 3)
    assert syncs.run(proxy.address, crash_at="bundle answered") == KILLED
    assert house.states()["in_flight"] >= 8
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE) == 0
    everything_is_there_once(house, ehr, 3)


@pytest.mark.parametrize("point", ["delivery settled", "lane released"])
def test_f06_killed_after_it_was_written_down_nothing_of_it_is_sent_again(
    house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy, point: str
) -> None:
    publish_people(house.store, 3)
    assert syncs.run(proxy.address, crash_at=point) == KILLED
    settled = {d.reference for d in house.deliveries() if d.state.value == "sent"}
    assert settled
    before = len(proxy.written())
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE) == 0
    again = b"".join(proxy.written()[before:])
    assert not any(f'"url":"{reference}"'.encode() in again.replace(b'": "', b'":"') for reference in settled)
    everything_is_there_once(house, ehr, 3)


@pytest.mark.parametrize("point", PUSH_POINTS)
def test_at_every_crash_point_a_killed_push_loses_and_doubles_nothing(
    house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy, point: str
) -> None:
    publish_people(house.store, 2)
    at = NOW
    for _ in range(3):
        syncs.run(proxy.address, crash_at=point, starts_at=at)
        at += timedelta(hours=1)
    assert syncs.run(proxy.address, starts_at=at) == 0
    everything_is_there_once(house, ehr, 2)


class Held:
    """A request that the proxy holds on its way to the EHR until the test lets it go."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.arrived = threading.Event()
        self.let_go = threading.Event()
        self.done = threading.Event()

    def plan(self, call: Call) -> Fault | None:
        if self.arrived.is_set() or self.text not in call.body:
            return None
        self.arrived.set()
        return Fault("held", before_upstream=lambda: void(self.let_go.wait(60)), after_upstream=self.done.set)


def void(_: object) -> None:
    """Nothing is made of it."""


@pytest.mark.parametrize("first_write", [False, True], ids=["update", "first write"])
def test_f08_a_worker_paused_past_its_lease_reverses_nothing(
    store: Store, house: House, ehr: Ehr, syncs: SyncProcesses, proxy: FaultProxy, first_write: bool
) -> None:
    publish_people(store, 1)
    if not first_write:
        assert syncs.run(proxy.address) == 0
        publish(store, [score(1, 1, "6.00")])
    held = Held(b"score-1-1")
    proxy.plan = held.plan
    slow = syncs.start(proxy.address)
    assert held.arrived.wait(30)
    slow.pause()
    publish(store, [score(1, 1, "5.00")])
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE) == 0
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "5.00"

    held.let_go.set()
    assert held.done.wait(30)
    slow.go_on()
    assert slow.wait() == 0
    # An update is fenced by If-Match. A first write has nothing to be fenced by: what it did is found and mended.
    assert syncs.run(proxy.address, starts_at=AFTER_THE_LEASE + timedelta(hours=1)) == 0
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "5.00"
    assert ehr.versions("Observation/score-1-1") == (3 if first_write else 2)
    newest = [d for d in house.deliveries() if d.reference == "Observation/score-1-1"][-1]
    assert (newest.state.value, newest.version) == ("sent", 2 if first_write else 3)
    assert house.work_items() == []
