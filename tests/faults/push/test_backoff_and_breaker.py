"""F11, F26, F28: an EHR that is down, busy or recovering sees few calls, evenly spread, and then gets everything."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from fhir_pmp.ehr.connection.breaker import StoredBreaker
from fhir_pmp.ehr.transport.client import Limits
from fhir_pmp.ehr.transport.retry_after import LONGEST_WAIT
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store import Store
from fhir_pmp.store.remote_state.breakers import Breaker
from tests.fault_injection.body_edits import drop_members
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault, is_write
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.sample_resources import (
    NOW,
    SCORES,
    add_people,
    organization,
    publish,
    publish_people,
)
from tests.integration.ehr.stub_server import stub_server
from tests.integration.ehr.sync_harness import SyncHarness, destination

STORM_DURATION = timedelta(minutes=10)


def breaker(scenario: FaultScenario) -> Breaker:
    with scenario.store.read() as uow:
        return uow.breakers.get(scenario.harness.destination.id)


def score_without_references(n: int, k: int) -> RenderedResource:
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


def closed_port_url() -> str:
    """An address at which a connection is refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/fhir"


@pytest.mark.promise("P1")
@pytest.mark.parametrize("cause", ["refused", "no such name"])
def test_f11_without_a_connection_it_is_tried_again_and_the_breaker_opens(
    scenario: FaultScenario, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = closed_port_url() if cause == "refused" else "http://ehr.example.invalid/fhir"
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def resolving(host: str, *arguments: object, **named: object) -> object:
        asked.append(str(host))
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return resolve(host, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    scenario.publish_people(6)
    with SyncHarness(scenario.store, address, limits=Limits(0.5, 1.0, 2.0)) as away:
        began = away.now
        while away.now < began + STORM_DURATION:
            away.push()
            away.later(seconds=5)
        opened = breaker(scenario)
        assert opened.state in ("open", "half_open")
        assert 5 <= opened.failures <= 5 + 10
        assert len(asked) <= 5 + 10, "each of them is one attempt to connect and no more"
    assert scenario.harness.states() == {"pending": 49}
    assert scenario.harness.work_items() == []
    scenario.harness.now = began + STORM_DURATION + timedelta(minutes=16)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("text", ["600", "Sun, 05 Apr 2026 03:09:59 GMT"], ids=["seconds", "date"])
def test_f26_retry_after_is_obeyed_in_both_its_forms_by_the_whole_destination(
    scenario_also_on_hapi: FaultScenario, text: str, status: int
) -> None:
    scenario = scenario_also_on_hapi
    scenario.harness.now = NOW
    scenario.publish_people(3)
    busy = InjectedFault("busy", status=status, status_headers={"Retry-After": text})
    scenario.proxy.plan = lambda call: busy if is_write(call) else None
    for _ in range(60):
        scenario.harness.push()
        scenario.harness.later(seconds=9.9)
    assert len(scenario.proxy.written_bodies()) == 1
    scenario.proxy.plan = lambda _: None
    scenario.harness.now = NOW + timedelta(seconds=603)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once()


@pytest.mark.parametrize(
    "text",
    ["315360000", "Mon, 05 Apr 2036 03:09:59 GMT", "99999999999999999"],
    ids=["10 years", "a date in 10 years", "an age of the world"],
)
def test_f26_a_retry_after_of_years_is_capped_at_six_hours(
    scenario_also_on_hapi: FaultScenario, text: str
) -> None:
    scenario = scenario_also_on_hapi
    scenario.publish_people(1)
    scenario.proxy.plan = lambda call: (
        InjectedFault("busy", status=429, status_headers={"Retry-After": text}) if is_write(call) else None
    )
    scenario.harness.push()
    scenario.proxy.plan = lambda _: None
    scenario.harness.later(seconds=LONGEST_WAIT - 1)
    scenario.harness.push()
    assert scenario.harness.states() == {"pending": 9}
    scenario.harness.later(seconds=4)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once()


@pytest.mark.parametrize(
    "text",
    ["-5", "abc", "", "1e3", "Sun, 05 Apr 2026 03:09:60 GMT", "Sun, 99 Apr 99999 03:09:59 GMT", "5, 6", "０"],
)
def test_f26_a_retry_after_that_is_nonsense_is_ignored(scenario: FaultScenario, text: str) -> None:
    scenario.publish_people(1)
    headers = {"Retry-After": text.encode().decode("latin-1")}
    scenario.proxy.plan = lambda call: (
        InjectedFault("busy", status=503, status_headers=headers) if is_write(call) else None
    )
    scenario.harness.push()
    scenario.proxy.plan = lambda _: None
    scenario.harness.later(seconds=3)  # a first failure backs off for two at most
    scenario.harness.push()
    scenario.assert_all_delivered_once()


@pytest.mark.promise("P1", "P7")
def test_f28_a_storm_of_503_sees_few_probes_and_then_all_is_sent_at_a_pace(
    scenario_also_on_hapi: FaultScenario,
) -> None:
    scenario = scenario_also_on_hapi
    people = range(scenario.first, scenario.first + 100)
    add_people(scenario.store, people)
    publish(scenario.store, [organization()])
    scenario.harness.push_until_quiet()
    publish(scenario.store, [score_without_references(n, k) for n in people for k in range(5)])
    scenario.proxy.plan = lambda _: InjectedFault("storm", status=503)
    before, calls, began = len(scenario.proxy.seen), [], scenario.harness.now
    while scenario.harness.now < began + STORM_DURATION:
        scenario.harness.push()
        calls.append(len(scenario.proxy.seen) - before)
        scenario.harness.later(seconds=5)
    # Five in a row open the breaker (one connection each may be under way); then after 1-2, 2-4, 4-8, ... seconds.
    in_progress = scenario.harness.client.connections - 1
    assert calls[0] <= 5 + in_progress
    assert calls[-1] <= 5 + in_progress + 10
    assert scenario.harness.states() == {"sent": 1, "pending": 500}

    scenario.proxy.plan = lambda _: None
    begun: list[float] = []
    scenario.proxy.plan = lambda call: (
        begun.append(scenario.harness.now.timestamp()) if is_write(call) else None
    )
    scenario.harness.later(minutes=16)
    scenario.harness.push_until_quiet()
    assert len(begun) == 100
    gaps = [later - earlier for earlier, later in pairwise(sorted(begun))]
    assert max(gaps) > 0.05 and len(set(gaps)) > 20, "they are spread, and not evenly"
    assert begun[-1] - begun[0] >= 99 * 0.05, "ten lanes a second, on the whole"
    scenario.assert_all_delivered_once(versions=1)
    assert max(d.attempts for d in scenario.harness.deliveries()) > 1, "some were tried in the storm"
    assert breaker(scenario) == Breaker()


@pytest.mark.promise("P7")
@pytest.mark.parametrize("known", [False, True], ids=["just started", "running"])
def test_one_probe_goes_to_a_sick_ehr_however_many_processes_there_are(
    scenario: FaultScenario, known: bool
) -> None:
    scenario.publish_people(1, after=50)
    scenario.harness.push()  # what everybody refers to is there: from here on each finds a lane of its own
    scenario.publish_people(6)
    scenario.harness.forget_capability()
    if known:
        scenario.harness.learn_capability()
    scenario.proxy.plan = lambda _: InjectedFault("down", status=503)
    for _ in range(20):
        scenario.harness.push()
        scenario.harness.later(seconds=1)
    assert breaker(scenario).state == "open"
    scenario.harness.later(minutes=20)
    before, arrived, release = len(scenario.proxy.seen), threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert release.wait(30)

    scenario.proxy.plan = lambda _: InjectedFault("slow and down", before_upstream=hold, status=503)
    with ThreadPoolExecutor(1) as one:
        probe = one.submit(scenario.harness.push)
        assert arrived.wait(30)
        for _ in range(3):  # others, while the probe is under way
            with SyncHarness(Store(scenario.database), scenario.proxy.address) as other:
                other.now = scenario.harness.now
                if known:
                    other.learn_capability(at=scenario.ehr.address)
                other.push()
                other.store.close()
        assert len(scenario.proxy.seen) - before == 1
        release.set()
        probe.result(30)
    assert breaker(scenario).state == "open"
    # Well again: whoever comes first asks what it can do, and goes on to deliver.
    scenario.proxy.plan = lambda _: None
    scenario.harness.later(minutes=20)
    scenario.harness.push()
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P7")
def test_a_lane_taken_before_another_process_was_told_to_wait_waits_as_well(store: Store) -> None:
    with (
        stub_server() as server,
        FaultProxy(server.address) as proxy,
        SyncHarness(store, proxy.address, connections=1) as our_side,
    ):
        our_side.destination = replace(our_side.destination, strategy=None)
        our_side.verify_capability()
        publish_people(our_side.store, 2)
        breaker_opened_on: list[Call] = []

        def open_breaker_while_reading_back(call: Call) -> None:
            """While the first person's answers are read back, another process is told to wait for ten minutes."""
            if call.method == "GET" and "/Patient/" in call.path and not breaker_opened_on:
                breaker_opened_on.append(call)
                until = our_side.later(seconds=5) + timedelta(minutes=10)
                with store.begin_without_publishing() as uow:
                    uow.breakers.put(our_side.destination.id, Breaker("open", 5, our_side.now, until, "busy"))

        proxy.plan = open_breaker_while_reading_back
        our_side.push()
        assert breaker_opened_on
        assert our_side.states() == {"sent": 9, "pending": 8}, (
            "the second person's lane was sent all the same"
        )
        our_side.later(minutes=11)
        our_side.push_until_quiet()
        assert our_side.states() == {"sent": 17}


def open_breaker_elsewhere(scenario: FaultScenario) -> None:
    """Five seconds go by, in which another process is told to wait for ten minutes."""
    until = scenario.harness.later(seconds=5) + timedelta(minutes=10)
    with scenario.store.begin_without_publishing() as uow:
        uow.breakers.put(
            scenario.harness.destination.id, Breaker("open", 5, scenario.harness.now, until, "busy")
        )


@pytest.mark.promise("P7")
def test_a_push_that_was_let_begin_asks_nothing_once_another_process_is_told_to_wait(
    scenario: FaultScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.publish_people(1)
    with scenario.store.begin_without_publishing() as uow:
        uow.breakers.put(scenario.harness.destination.id, Breaker("recovering"))
    try_begin = StoredBreaker.try_begin

    def pause_after(kept: StoredBreaker, now: datetime, longest: timedelta) -> bool:
        may = try_begin(kept, now, longest)
        open_breaker_elsewhere(scenario)
        return may

    monkeypatch.setattr(StoredBreaker, "try_begin", pause_after)
    scenario.harness.forget_capability()
    before = len(scenario.proxy.seen)
    scenario.harness.push()
    assert len(scenario.proxy.seen) == before
    monkeypatch.undo()
    scenario.harness.later(minutes=11)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P7")
def test_a_lane_under_way_makes_way_when_another_process_is_told_to_wait(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    scenario.harness.push()
    scenario.harness.destination = destination(entries=1)
    scenario.correct_scores()
    scenario.harness.learn_capability(at=scenario.ehr.address)
    before = len(scenario.proxy.seen)
    scenario.proxy.plan = lambda call: InjectedFault(
        "others", after_upstream=lambda: open_breaker_elsewhere(scenario)
    )
    scenario.harness.push()
    assert len(scenario.proxy.seen) - before == 1
    pending = [d for d in scenario.harness.deliveries() if d.state.value == "pending"]
    assert [(d.attempts, d.may_have_arrived) for d in pending] == [(0, False)] * 2, "given back as they were"
    scenario.proxy.plan = lambda _: None
    scenario.harness.push()
    assert len(scenario.proxy.seen) - before == 1, "ten minutes are ten minutes"
    scenario.harness.later(minutes=11)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once()


@pytest.mark.promise("P7")
def test_what_may_have_arrived_as_another_is_told_to_wait_is_looked_at_first(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    scenario.harness.push()
    scenario.correct_scores(ks=(1,))
    scenario.harness.learn_capability(at=scenario.ehr.address)
    before = len(scenario.proxy.seen)
    scenario.proxy.plan = lambda call: InjectedFault(
        "others, and no version",
        after_upstream=lambda: open_breaker_elsewhere(scenario),
        strip=frozenset({"etag", "location", "content-location"}),
        override_body=drop_members("versionId"),
    )
    scenario.harness.push()
    assert [seen.method for seen in scenario.proxy.seen[before:]] == ["PUT"], "not even read back"
    assert scenario.newest_delivery().may_have_arrived
    assert breaker(scenario).failures == 5, "nothing is held against it"
    scenario.proxy.plan = lambda _: None
    scenario.harness.later(minutes=11)
    scenario.harness.push_until_quiet()
    assert [seen.method for seen in scenario.proxy.seen[before + 1 :]] == ["GET"], (
        "it stands there: that is all"
    )
    scenario.assert_all_delivered_once()


def test_nothing_below_the_outbox_tries_again(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    scenario.proxy.plan = lambda _: InjectedFault("down", reset_before=True)
    scenario.harness.push()
    assert len(scenario.proxy.seen) == 1
