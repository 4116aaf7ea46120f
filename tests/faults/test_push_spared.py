"""F11, F26, F28: an EHR that is down, busy or recovering sees few calls, evenly spread, and then gets everything."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from fhir_pmp.ehr.breaker import KeptBreaker
from fhir_pmp.ehr.client import Limits
from fhir_pmp.ehr.retry_after import LONGEST_WAIT
from fhir_pmp.fhir.rendered import Rendered, render
from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store import Store
from fhir_pmp.store.neighbours import Breaker
from tests.faults.less import without
from tests.faults.proxy import Call, Fault, FaultProxy, is_write
from tests.faults.scene import Scene
from tests.integration.ehr.house import House, destination
from tests.integration.ehr.sample import NOW, SCORES, add_people, organization, publish, publish_people
from tests.integration.ehr.stubs import stub_that

STORM = timedelta(minutes=10)


def breaker(scene: Scene) -> Breaker:
    with scene.store.read() as books:
        return books.breakers.get(scene.house.destination.id)


def score_of_nobody(n: int, k: int) -> Rendered:
    """A score that refers to nothing: five of them are a lane of their own."""
    resource = {
        "resourceType": "Observation",
        "id": f"score-{n}-{k}",
        "identifier": [{"system": SCORES, "value": f"{n}-{k}"}],
        "status": "final",
        "code": {"text": "a score"},
    }
    return render(
        resource, sharing=Sharing.RECORD, person=PersonId(f"patient-{n}"), episode=EpisodeId(f"episode-{n}")
    )


def nobody_listens() -> str:
    """An address at which a connection is refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/fhir"


@pytest.mark.parametrize("cause", ["refused", "no such name"])
def test_f11_without_a_connection_it_is_tried_again_and_the_breaker_opens(
    scene: Scene, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = nobody_listens() if cause == "refused" else "http://ehr.example.invalid/fhir"
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def resolving(host: str, *arguments: object, **named: object) -> object:
        asked.append(str(host))
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return resolve(host, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    scene.publish_people(6)
    with House(scene.store, address, limits=Limits(0.5, 1.0, 2.0)) as away:
        began = away.now
        while away.now < began + STORM:
            away.push()
            away.later(seconds=5)
        opened = breaker(scene)
        assert opened.state in ("open", "half_open")
        assert 5 <= opened.failures <= 5 + 10
        assert len(asked) <= 5 + 10, "each of them is one attempt to connect and no more"
    assert scene.house.states() == {"pending": 49}
    assert scene.house.work_items() == []
    scene.house.now = began + STORM + timedelta(minutes=16)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("text", ["600", "Sun, 05 Apr 2026 03:09:59 GMT"], ids=["seconds", "date"])
def test_f26_retry_after_is_obeyed_in_both_its_forms_by_the_whole_destination(
    scene_also_on_hapi: Scene, text: str, status: int
) -> None:
    scene = scene_also_on_hapi
    scene.house.now = NOW
    scene.publish_people(3)
    busy = Fault("busy", status=status, status_headers={"Retry-After": text})
    scene.proxy.plan = lambda call: busy if is_write(call) else None
    for _ in range(60):
        scene.house.push()
        scene.house.later(seconds=9.9)
    assert len(scene.proxy.written()) == 1
    scene.proxy.plan = lambda _: None
    scene.house.now = NOW + timedelta(seconds=603)
    scene.house.push_until_quiet()
    scene.expect_all_once()


@pytest.mark.parametrize(
    "text",
    ["315360000", "Mon, 05 Apr 2036 03:09:59 GMT", "99999999999999999"],
    ids=["10 years", "a date in 10 years", "an age of the world"],
)
def test_f26_a_retry_after_of_years_is_capped_at_six_hours(scene_also_on_hapi: Scene, text: str) -> None:
    scene = scene_also_on_hapi
    scene.publish_people(1)
    scene.proxy.plan = lambda call: (
        Fault("busy", status=429, status_headers={"Retry-After": text}) if is_write(call) else None
    )
    scene.house.push()
    scene.proxy.plan = lambda _: None
    scene.house.later(seconds=LONGEST_WAIT - 1)
    scene.house.push()
    assert scene.house.states() == {"pending": 9}
    scene.house.later(seconds=4)
    scene.house.push_until_quiet()
    scene.expect_all_once()


@pytest.mark.parametrize(
    "text",
    ["-5", "abc", "", "1e3", "Sun, 05 Apr 2026 03:09:60 GMT", "Sun, 99 Apr 99999 03:09:59 GMT", "5, 6", "０"],
)
def test_f26_a_retry_after_that_is_nonsense_is_ignored(scene: Scene, text: str) -> None:
    scene.publish_people(1)
    headers = {"Retry-After": text.encode().decode("latin-1")}
    scene.proxy.plan = lambda call: (
        Fault("busy", status=503, status_headers=headers) if is_write(call) else None
    )
    scene.house.push()
    scene.proxy.plan = lambda _: None
    scene.house.later(seconds=3)  # a first failure backs off for two at most
    scene.house.push()
    scene.expect_all_once()


def test_f28_a_storm_of_503_sees_few_probes_and_then_all_is_sent_at_a_pace(scene_also_on_hapi: Scene) -> None:
    scene = scene_also_on_hapi
    people = range(scene.first, scene.first + 100)
    add_people(scene.store, people)
    publish(scene.store, [organization()])
    scene.house.push_until_quiet()
    publish(scene.store, [score_of_nobody(n, k) for n in people for k in range(5)])
    scene.proxy.plan = lambda _: Fault("storm", status=503)
    before, calls, began = len(scene.proxy.seen), [], scene.house.now
    while scene.house.now < began + STORM:
        scene.house.push()
        calls.append(len(scene.proxy.seen) - before)
        scene.house.later(seconds=5)
    # Five in a row open the breaker (one connection each may be under way); then after 1-2, 2-4, 4-8, ... seconds.
    under_way = scene.house.client.connections - 1
    assert calls[0] <= 5 + under_way
    assert calls[-1] <= 5 + under_way + 10
    assert scene.house.states() == {"sent": 1, "pending": 500}

    scene.proxy.plan = lambda _: None
    begun: list[float] = []
    scene.proxy.plan = lambda call: begun.append(scene.house.now.timestamp()) if is_write(call) else None
    scene.house.later(minutes=16)
    scene.house.push_until_quiet()
    assert len(begun) == 100
    gaps = [later - earlier for earlier, later in pairwise(sorted(begun))]
    assert max(gaps) > 0.05 and len(set(gaps)) > 20, "they are spread, and not evenly"
    assert begun[-1] - begun[0] >= 99 * 0.05, "ten lanes a second, on the whole"
    scene.expect_all_once(versions=1)
    assert max(d.attempts for d in scene.house.deliveries()) > 1, "some were tried in the storm"
    assert breaker(scene) == Breaker()


@pytest.mark.parametrize("known", [False, True], ids=["just started", "running"])
def test_one_probe_goes_to_a_sick_ehr_however_many_processes_there_are(scene: Scene, known: bool) -> None:
    scene.publish_people(1, after=50)
    scene.house.push()  # what everybody refers to is there: from here on each finds a lane of its own
    scene.publish_people(6)
    scene.house.forget_capability()
    if known:
        scene.house.learn_capability()
    scene.proxy.plan = lambda _: Fault("down", status=503)
    for _ in range(20):
        scene.house.push()
        scene.house.later(seconds=1)
    assert breaker(scene).state == "open"
    scene.house.later(minutes=20)
    before, arrived, let_go = len(scene.proxy.seen), threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert let_go.wait(30)

    scene.proxy.plan = lambda _: Fault("slow and down", before_upstream=hold, status=503)
    with ThreadPoolExecutor(1) as one:
        probe = one.submit(scene.house.push)
        assert arrived.wait(30)
        for _ in range(3):  # others, while the probe is under way
            with House(Store(scene.database), scene.proxy.address) as other:
                other.now = scene.house.now
                if known:
                    other.learn_capability(at=scene.ehr.address)
                other.push()
                other.store.close()
        assert len(scene.proxy.seen) - before == 1
        let_go.set()
        probe.result(30)
    assert breaker(scene).state == "open"
    # Well again: whoever comes first asks what it can do, and goes on to deliver.
    scene.proxy.plan = lambda _: None
    scene.house.later(minutes=20)
    scene.house.push()
    scene.expect_all_once(versions=1)


def test_a_lane_taken_before_another_process_was_told_to_wait_waits_as_well(store: Store) -> None:
    with (
        stub_that() as server,
        FaultProxy(server.address) as proxy,
        House(store, proxy.address, connections=1) as ours,
    ):
        ours.destination = replace(ours.destination, strategy=None)
        ours.believe_nothing()
        publish_people(ours.store, 2)
        told: list[Call] = []

        def tell_the_other(call: Call) -> None:
            """While the first person's answers are read back, another process is told to wait for ten minutes."""
            if call.method == "GET" and "/Patient/" in call.path and not told:
                told.append(call)
                until = ours.later(seconds=5) + timedelta(minutes=10)
                with store.begin_beside() as books:
                    books.breakers.put(ours.destination.id, Breaker("open", 5, ours.now, until, "busy"))

        proxy.plan = tell_the_other
        ours.push()
        assert told
        assert ours.states() == {"sent": 9, "pending": 8}, "the second person's lane was sent all the same"
        ours.later(minutes=11)
        ours.push_until_quiet()
        assert ours.states() == {"sent": 17}


def tell_another(scene: Scene) -> None:
    """Five seconds go by, in which another process is told to wait for ten minutes."""
    until = scene.house.later(seconds=5) + timedelta(minutes=10)
    with scene.store.begin_beside() as books:
        books.breakers.put(scene.house.destination.id, Breaker("open", 5, scene.house.now, until, "busy"))


def test_a_push_that_was_let_begin_asks_nothing_once_another_process_is_told_to_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.publish_people(1)
    with scene.store.begin_beside() as books:
        books.breakers.put(scene.house.destination.id, Breaker("recovering"))
    may_begin = KeptBreaker.may_begin

    def stands_still_after(kept: KeptBreaker, now: datetime, longest: timedelta) -> bool:
        may = may_begin(kept, now, longest)
        tell_another(scene)
        return may

    monkeypatch.setattr(KeptBreaker, "may_begin", stands_still_after)
    scene.house.forget_capability()
    before = len(scene.proxy.seen)
    scene.house.push()
    assert len(scene.proxy.seen) == before
    monkeypatch.undo()
    scene.house.later(minutes=11)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


def test_a_lane_under_way_makes_way_when_another_process_is_told_to_wait(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push()
    scene.house.destination = destination(entries=1)
    scene.correct_scores()
    scene.house.learn_capability(at=scene.ehr.address)
    before = len(scene.proxy.seen)
    scene.proxy.plan = lambda call: Fault("others", after_upstream=lambda: tell_another(scene))
    scene.house.push()
    assert len(scene.proxy.seen) - before == 1
    pending = [d for d in scene.house.deliveries() if d.state.value == "pending"]
    assert [(d.attempts, d.unknown) for d in pending] == [(0, False)] * 2, "given back as they were"
    scene.proxy.plan = lambda _: None
    scene.house.push()
    assert len(scene.proxy.seen) - before == 1, "ten minutes are ten minutes"
    scene.house.later(minutes=11)
    scene.house.push_until_quiet()
    scene.expect_all_once()


def test_what_may_have_arrived_as_another_is_told_to_wait_is_looked_at_first(scene: Scene) -> None:
    scene.publish_people(1)
    scene.house.push()
    scene.correct_scores(ks=(1,))
    scene.house.learn_capability(at=scene.ehr.address)
    before = len(scene.proxy.seen)
    scene.proxy.plan = lambda call: Fault(
        "others, and no version",
        after_upstream=lambda: tell_another(scene),
        strip=frozenset({"etag", "location", "content-location"}),
        override_body=without("versionId"),
    )
    scene.house.push()
    assert [seen.method for seen in scene.proxy.seen[before:]] == ["PUT"], "not even read back"
    assert scene.newest().unknown
    assert breaker(scene).failures == 5, "nothing is held against it"
    scene.proxy.plan = lambda _: None
    scene.house.later(minutes=11)
    scene.house.push_until_quiet()
    assert [seen.method for seen in scene.proxy.seen[before + 1 :]] == ["GET"], "it stands there: that is all"
    scene.expect_all_once()


def test_nothing_below_the_outbox_tries_again(scene: Scene) -> None:
    scene.publish_people(1)
    scene.proxy.plan = lambda _: Fault("down", reset_before=True)
    scene.house.push()
    assert len(scene.proxy.seen) == 1
