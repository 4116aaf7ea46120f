"""The pages of a pull: links that expire, lead away, go round or have no end, and a pull that is killed among them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhir_pmp.store.remote_state.pull_cursors import SeenVersion
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.faults.processes.push_processes import REPOSITORY
from tests.integration.ehr.pull_and_reconcile import (
    ago,
    arrivals,
    count_seen_versions,
    cursor,
    pull,
    put,
    put_many,
    task,
)
from tests.integration.ehr.sample_resources import HOSPITAL
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness


def later_page(kind: str, fault: InjectedFault, *, pages: int = 1) -> Callable[[Call], InjectedFault | None]:
    """The fault happens to the first `pages` later pages of a type, whatever they are called."""
    asked: list[str] = []
    hurt: list[str] = []

    def plan(call: Call) -> InjectedFault | None:
        if call.method == "GET" and "_getpages" not in call.path:
            asked.append(call.path)
        elif asked and f"/{kind}?" in asked[-1] and len(hurt) < pages:
            hurt.append(call.path)
            return fault
        return None

    return plan


def with_next(link: Callable[[str], str]) -> Callable[[bytes], bytes]:
    """The answer with another link to the next page."""

    def changed(body: bytes) -> bytes:
        bundle = json.loads(body)
        for one in bundle.get("link", []):
            if one["relation"] == "next":
                one["url"] = link(one["url"])
        return json.dumps(bundle).encode()

    return changed


@pytest.mark.promise("P21")
@pytest.mark.parametrize("status", [404, 410])
def test_f43_a_page_that_went_away_restarts_the_window_and_everything_arrives_once(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, status: int
) -> None:
    put_many(ehr, [task(n) for n in range(30)])
    proxy.plan = later_page("Task", InjectedFault("gone", status=status))
    assert pull(harness, per_page=10)["kept"] == 30
    assert count_seen_versions(harness, "Task") == 30
    assert cursor(harness, "Task").watermark is not None


def test_f43_pages_that_keep_going_away_are_given_up_and_a_person_is_told(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    put_many(ehr, [task(n) for n in range(30)])
    proxy.plan = later_page("Task", InjectedFault("gone", status=410), pages=99)
    pull(harness, per_page=10)
    assert cursor(harness, "Task").watermark is None
    assert len([seen for seen in proxy.seen if seen.fault == "gone"]) == 3
    assert [item.kind for item in harness.work_items()] == ["pull_refused"]
    proxy.plan = lambda _: None
    assert pull(harness, per_page=10)["complete"]
    assert count_seen_versions(harness, "Task") == 30
    assert harness.work_items() == []


@pytest.mark.promise("P21")
@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://127.0.0.1:9/fhir?_getpages=x",
        "https://127.0.0.1/fhir?_getpages=x",
        "http://127.0.0.1.example.org/fhir",
        "//example.org/fhir",
    ],
)
def test_f43_a_page_link_that_leads_elsewhere_is_refused_and_nothing_is_asked_there(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, elsewhere: str
) -> None:
    put_many(ehr, [task(n) for n in range(30)])
    lead_away = InjectedFault("leads away", override_body=with_next(lambda _: elsewhere))
    proxy.plan = lambda call: lead_away if "/Task?" in call.path else None
    assert pull(harness, per_page=10)["refused"] == 1
    assert cursor(harness, "Task").page_url is None
    assert cursor(harness, "Task").watermark is None
    assert [item.details["reason"] for item in harness.work_items()] == ["it leads us elsewhere"]
    proxy.plan = lambda _: None
    pull(harness, per_page=10)
    assert count_seen_versions(harness, "Task") == 30


@pytest.mark.promise("P21")
@pytest.mark.parametrize("back_to", ["itself", "the first"])
def test_f43_pages_that_go_round_in_a_circle_are_stopped(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, back_to: str
) -> None:
    put_many(ehr, [task(n) for n in range(30)])
    of_tasks: list[str] = []

    def plan(call: Call) -> InjectedFault | None:
        if "/Task?_sort=_lastUpdated" in call.path:
            of_tasks[:] = [call.path]
        elif of_tasks and "_getpages" in call.path:
            of_tasks.append(call.path)
            target = call.path if back_to == "itself" else of_tasks[0]
            there = proxy.address.removesuffix("/fhir") + target
            return InjectedFault("circle", override_body=with_next(lambda _: there))
        return None

    proxy.plan = plan
    counts = pull(harness, per_page=10)
    assert counts["refused"] == 1
    assert counts["pages"] < 20
    assert cursor(harness, "Task").watermark is None
    proxy.plan = lambda _: None
    pull(harness, per_page=10)
    assert count_seen_versions(harness, "Task") == 30


def test_f43_pages_without_an_end_are_read_no_further_than_a_run_may_go(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    put_many(ehr, [task(n) for n in range(30)])
    count = iter(range(10_000))

    def endless(body: bytes) -> bytes:
        bundle = json.loads(body)
        if bundle.get("resourceType") == "Bundle":
            url = f"{proxy.address}/Task?_count=10&_lastUpdated=ge2020-01-01&_total=none{next(count)}"
            bundle["link"] = [{"relation": "next", "url": url}]
        return json.dumps(bundle).encode()

    proxy.plan = lambda call: (
        InjectedFault("endless", override_body=endless) if "/Task?" in call.path else None
    )
    before = len(proxy.seen)
    pull(harness, per_page=10, pages=7)
    assert len(proxy.seen) - before < 7 + 10
    assert cursor(harness, "Task").watermark is None


@pytest.mark.promise("P21")
def test_a_pull_killed_between_two_pages_goes_on_at_the_page_it_had_come_to(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy, migrated_url: str
) -> None:
    put_many(ehr, [task(n) for n in range(100)])
    processes: list[subprocess.Popen[str]] = []
    pages = [0]

    def plan(call: Call) -> InjectedFault | None:
        pages[0] += "_getpages" in call.path
        if pages[0] == 4 and processes:
            return InjectedFault("killed", after_upstream=processes[0].kill)
        return None

    proxy.plan = plan
    command = [sys.executable, "-m", "tests.integration.ehr.pull_process", migrated_url, proxy.address]
    processes.append(subprocess.Popen([*command, "--per-page", "10"], cwd=REPOSITORY, text=True))
    assert processes[0].wait(60) == -signal.SIGKILL
    proxy.plan = lambda _: None
    stopped_at = cursor(harness, "Task")
    assert count_seen_versions(harness, "Task") == 40
    assert stopped_at.page_url is not None
    assert stopped_at.watermark is None
    harness.later(hours=1)  # the lease of the killed one has run out
    before = len(proxy.seen)
    assert pull(harness, per_page=10)["kept"] == 60
    assert proxy.seen[before].path != "/fhir/Task?_sort=-_lastUpdated&_count=1"
    assert stopped_at.page_url.endswith([s.path for s in proxy.seen[before:] if "_getpages" in s.path][0])
    assert count_seen_versions(harness, "Task") == len(arrivals(harness, "Task")) == 100


def test_a_sick_destination_is_left_alone_and_the_window_stands_still(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    pull(harness)
    at = cursor(harness, "Task").watermark
    put(ehr, task(1))
    proxy.plan = lambda call: InjectedFault("sick", status=503)
    for _ in range(5):
        harness.later(seconds=1)
        pull(harness)
    before = len(proxy.seen)
    pull(harness)
    assert len(proxy.seen) == before  # the breaker is open
    proxy.plan = lambda _: None
    harness.later(minutes=20)
    assert pull(harness)["kept"] == 1
    assert at is not None
    assert (cursor(harness, "Task").watermark or at) > at


def test_two_pulls_at_once_are_one(harness: SyncHarness, ehr: EhrObserver) -> None:
    put_many(ehr, [task(n) for n in range(50)])
    with ThreadPoolExecutor(2) as pool:
        counts = [one.result() for one in [pool.submit(pull, harness, per_page=10) for _ in range(2)]]
    assert sum(count["kept"] for count in counts) == 50
    assert sorted(count["pages"] > 0 for count in counts) == [False, True]


def test_versions_counted_anew_by_an_ehr_that_went_back_in_time_are_taken_up(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    put(ehr, task(1), updated=ago(minutes=2))
    pull(harness)
    with harness.store.begin_without_publishing() as uow:
        lost = SeenVersion("their-task-1", "2", "2026-01-01T00:00:00.000+00:00")
        uow.pull_cursors.mark_seen(HOSPITAL, "Task", [lost], now=harness.now)
    put(ehr, task(1, status="accepted"))  # version 2 once more, of another moment
    assert pull(harness)["kept"] == 1
