"""F03 to F08: a sync process is killed or paused at the worst moment, and nothing is lost, doubled or reversed."""

import signal
import threading
from datetime import timedelta

import pytest

from tests.faults.proxy import Call, Fault, first_where, write_with
from tests.faults.scene import Scene
from tests.integration.ehr.sample import NOW, score

KILLED = -signal.SIGKILL
AFTER_THE_LEASE = NOW + timedelta(hours=1)


def recover(scene: Scene) -> None:
    """Somebody else pushes, once the lease of the dead one has ended."""
    scene.house.now = AFTER_THE_LEASE
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)
    everything = {d.reference for d in scene.house.deliveries()}
    assert len(everything) == 1 + 8 * 2


def test_f03_killed_after_the_claim_the_lease_ends_and_all_is_sent_once(scene_also_on_hapi: Scene) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    assert scene.syncs.run(scene.proxy.address, crash_at="lane claimed") == KILLED
    assert scene.proxy.written() == []
    scene.house.push()
    assert scene.house.states()["in_flight"] == 1, (
        "the lease holds: nobody else sends what the dead one claimed"
    )
    recover(scene)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
def test_f04_killed_after_the_bytes_were_sent_before_the_answer_came(
    scene_also_on_hapi: Scene, stored: bool
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()

    def kill() -> None:
        scene.syncs.started[0].kill()
        scene.syncs.started[0].wait()

    fault = (
        Fault("killed after commit", after_upstream=kill)
        if stored
        else Fault("killed before commit", before_upstream=kill, reset_before=True)
    )
    text = f"Patient/patient-{scene.first + 1}".encode()
    scene.proxy.plan = first_where(lambda call: text in call.body, fault)
    assert scene.syncs.run(scene.proxy.address) == KILLED
    assert any(text in seen.body for seen in scene.proxy.committed()) == stored
    recover(scene)


def test_f05_killed_after_the_answer_before_it_was_written_down(scene_also_on_hapi: Scene) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    assert scene.syncs.run(scene.proxy.address, crash_at="bundle answered") == KILLED
    assert scene.house.states()["in_flight"] >= 8
    recover(scene)


@pytest.mark.parametrize("point", ["delivery settled", "lane released"])
def test_f06_killed_after_it_was_written_down_nothing_of_it_is_sent_again(
    scene_also_on_hapi: Scene, point: str
) -> None:
    scene = scene_also_on_hapi
    scene.publish_people()
    assert scene.syncs.run(scene.proxy.address, crash_at=point) == KILLED
    settled = {d.reference for d in scene.house.deliveries() if d.state.value == "sent"}
    assert settled
    before = len(scene.proxy.written())
    recover(scene)
    again = b"".join(scene.proxy.written()[before:])
    assert again
    assert not any(f'"url": "{reference}"'.encode() in again for reference in settled)


def test_f07_killed_in_the_middle_of_a_transaction_whole_or_nothing_is_there_and_it_is_sent_again(
    scene: Scene,
) -> None:
    scene.publish_people()
    there: list[int] = []

    def kill_and_look() -> None:
        scene.syncs.started[0].kill()
        scene.syncs.started[0].wait()

    text = f"Patient/patient-{scene.first + 1}".encode()
    scene.proxy.plan = first_where(write_with(text), Fault("cut", cut_upstream=kill_and_look))
    assert scene.syncs.run(scene.proxy.address) == KILLED
    for reference in (f"Patient/patient-{scene.first + 1}", f"Observation/score-{scene.first + 1}-1"):
        there.append(scene.ehr.ask("GET", reference).status_code)
    assert there == [404, 404], "half of a transaction is nothing of it"
    recover(scene)


class Held:
    """A request that the proxy holds on its way to the EHR until the test lets it go."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.arrived = threading.Event()
        self.let_go = threading.Event()
        self.done = threading.Event()

    def plan(self, call: Call) -> Fault | None:
        """Holds the first that carries the text."""
        if self.arrived.is_set() or self.text not in call.body:
            return None
        self.arrived.set()
        return Fault("held", before_upstream=self._hold, after_upstream=self.done.set)

    def _hold(self) -> None:
        assert self.let_go.wait(60)


@pytest.mark.parametrize("first_write", [False, True], ids=["update", "first write"])
def test_f08_a_worker_paused_past_its_lease_reverses_nothing(scene: Scene, first_write: bool) -> None:
    scene.publish_people(1)
    if not first_write:
        scene.house.push_until_quiet()
        scene.publish(score(1, 1, "6.00"))
    held = Held(b"score-1-1")
    scene.proxy.plan = held.plan
    slow = scene.syncs.start(scene.proxy.address)
    assert held.arrived.wait(30)
    slow.pause()
    scene.publish(score(1, 1, "5.00"))
    scene.house.now = AFTER_THE_LEASE
    scene.house.push()
    assert scene.value() == "5.00"

    held.let_go.set()
    assert held.done.wait(30)
    slow.go_on()
    assert slow.wait() == 0
    # An update is fenced by If-Match. A first write has nothing to be fenced by: what it did is found and mended.
    scene.house.later(hours=1)
    scene.house.push()
    assert scene.value() == "5.00"
    assert scene.ehr.versions(scene.observation) == (3 if first_write else 2)
    newest = scene.newest()
    assert (newest.state.value, newest.version) == ("sent", 2 if first_write else 3)
    assert scene.house.work_items() == []
