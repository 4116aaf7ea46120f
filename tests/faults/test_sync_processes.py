"""F09, F10 and the orderly end: several sync processes share the work, one leads, and SIGTERM leaves nothing behind."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.schedule.sync_process import ABORT_SECONDS, DRAIN_SECONDS
from fhir_pmp.store import Store
from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.leases import TIMERS, JobLeaseLost
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.faults.processes.push_processes import PushProcesses
from tests.faults.processes.sync_commands import SyncCommands
from tests.integration.ehr.sample_resources import NOW, publish_people
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness
from tests.integration.intake.conftest import durable_server, durable_url
from tests.stub_ehr.process import StubProcess

__all__ = ["durable_server", "durable_url"]

HAPI = DestinationId("hapi")
ENTRY = re.compile(rb'"url":\s*"([A-Za-z]+/[A-Za-z0-9.-]+)"')


@pytest.fixture
def migrated_url(durable_url: str) -> str:
    """A database that does not forget: a sync process refuses any other."""
    return durable_url


@pytest.fixture
def sync_commands(migrated_url: str, tmp_path: Path) -> Iterator[SyncCommands]:
    """Starts whole sync processes on this test's database, and leaves none behind."""
    processes = SyncCommands(migrated_url, tmp_path)
    yield processes
    processes.end()


def sent(proxy: FaultProxy) -> list[str]:
    """Every resource that went through, as often as it did."""
    return [match.decode() for body in proxy.written_bodies() for match in ENTRY.findall(body)]


@pytest.mark.promise("P17")
def test_f09_two_relays_at_once_claim_each_event_once(
    harness: SyncHarness, ehr: EhrObserver, stub: StubProcess, push_processes: PushProcesses
) -> None:
    publish_people(harness.store, 1)
    harness.push()  # what everybody refers to is there: from here on both find lanes to claim
    publish_people(harness.store, 40, each=1, first=2)

    def slow(call: Call) -> InjectedFault | None:
        return InjectedFault("slow", wait_after=0.02)

    with FaultProxy(stub.address, slow) as one, FaultProxy(stub.address, slow) as two:
        relays = [push_processes.start(one.address), push_processes.start(two.address)]
        assert [relay.wait() for relay in relays] == [0, 0]
        sent_by_first, sent_by_second = sent(one), sent(two)
    assert sent_by_first and sent_by_second, "both had their part"
    assert len(sent_by_first + sent_by_second) == len(set(sent_by_first + sent_by_second)) == 40 * 4
    assert {d.attempts for d in harness.deliveries()} == {1}
    assert harness.states() == {"sent": 1 + 8 + 40 * 4}
    assert {resource["meta"]["versionId"] for resource in ehr.all("Observation")} == {"1"}


@pytest.mark.promise("P17")
def test_f10_two_schedulers_on_one_store_run_each_tick_once(
    store: Store, sync_commands: SyncCommands
) -> None:
    first, second = sync_commands.start(lease=2), sync_commands.start(lease=2)
    first.wait_for("sync started")
    second.wait_for("sync started")
    time.sleep(3)
    leaders = [one for one in (first, second) if one.timer_runs("letters")]
    assert len(leaders) == 1, "one of them leads"
    follower = second if leaders[0] is first else first
    assert len(leaders[0].timer_runs("letters")) >= 3, "every second"

    leaders[0].kill()
    follower.wait_for("leads")
    follower.wait_for("timer ran")
    assert follower.stop() == 0
    timer_runs = sorted([*first.timer_runs("letters"), *second.timer_runs("letters")])
    gaps = [later - earlier for earlier, later in zip(timer_runs, timer_runs[1:], strict=False)]
    assert min(gaps) > timedelta(seconds=0.5), "never two for one tick, the taking over included"
    with store.read() as uow:
        assert uow.leases.find(TIMERS) is None, "given back at an orderly end"

    third = sync_commands.start(lease=30)
    third.wait_for("timer ran")
    assert third.stop() == 0


@pytest.mark.promise("P17")
def test_f10_a_leader_that_was_paused_past_its_lease_writes_nothing(store: Store) -> None:
    duration = timedelta(seconds=30)
    with store.begin_without_publishing() as uow:
        slow = uow.leases.acquire(TIMERS, "slow", now=NOW, duration=duration)
        assert slow is not None
        assert uow.leases.acquire(TIMERS, "quick", now=NOW + duration / 2, duration=duration) is None
    with store.fenced_by(slow).begin_without_publishing() as uow:
        uow.work_items.open("a", about="x/1", role="clinician", what="while it leads", now=NOW)
    with store.begin_without_publishing() as uow:
        quick = uow.leases.acquire(TIMERS, "quick", now=NOW + 2 * duration, duration=duration)
        assert quick is not None and quick.epoch == slow.epoch + 1
    for begin in (store.fenced_by(slow).begin, store.fenced_by(slow).begin_without_publishing):
        with pytest.raises(JobLeaseLost), begin() as uow:
            uow.work_items.open("a", about="x/2", role="clinician", what="too late", now=NOW)
    with store.fenced_by(quick).begin() as uow:
        assert [item.about for item in uow.work_items.list_open()] == ["x/1"]


@pytest.mark.promise("P17")
def test_f10_a_clock_that_was_a_day_ahead_does_not_lead_for_a_day(store: Store) -> None:
    duration = timedelta(seconds=30)
    with store.begin_without_publishing() as uow:
        assert uow.leases.acquire(TIMERS, "ahead", now=NOW + timedelta(days=1), duration=duration)
        assert uow.leases.acquire(TIMERS, "right", now=NOW, duration=duration)


@pytest.mark.promise("P17")
def test_a_sync_that_is_told_to_end_finishes_what_is_under_way_and_claims_nothing_new(
    harness: SyncHarness, store: Store, ehr: EhrObserver, sync_commands: SyncCommands, proxy: FaultProxy
) -> None:
    publish_people_to_hapi(store, 30)
    arrived = threading.Event()

    def slow(call: Call) -> InjectedFault | None:
        if b"Patient/patient-" not in call.body:
            return None
        arrived.set()
        return InjectedFault("slow", wait_after=2.0)

    proxy.plan = slow
    sync = sync_commands.start(proxy.address)
    assert arrived.wait(60)
    before = time.monotonic()
    assert sync.stop() == 0
    assert time.monotonic() - before < 30
    states = harness.states()
    assert states.keys() == {"sent", "pending"}, "nothing is left in flight"
    everybody = {d.id for d in harness.deliveries() if d.type == "Patient" and d.state.value == "sent"}
    assert 1 <= len(everybody) <= 4, "one transaction a connection ended, and no other was begun"
    assert {resource["id"] for resource in ehr.all("Patient")} == everybody
    claimed = query_scalar(
        sync_commands.database, "SELECT count(*) FROM outbox_lanes WHERE epoch > 0 AND lane LIKE 'patient%'"
    )
    assert claimed <= 4, "whoever had none by then was not so much as claimed"
    assert is_everything_released(store, sync_commands.database)


@pytest.mark.promise("P17")
def test_a_sync_that_is_told_to_end_before_an_ehr_that_does_not_answer_puts_back_and_ends_in_time(
    harness: SyncHarness, store: Store, ehr: EhrObserver, sync_commands: SyncCommands, proxy: FaultProxy
) -> None:
    publish_people_to_hapi(store, 6)
    arrived, release = threading.Event(), threading.Event()

    def holds(call: Call) -> InjectedFault | None:
        if b"Patient/patient-" not in call.body or release.is_set():
            return None
        arrived.set()
        return InjectedFault("held", after_upstream=lambda: discard_result(release.wait(90)))

    proxy.plan = holds
    assert DRAIN_SECONDS + ABORT_SECONDS < 30
    sync = sync_commands.start(
        proxy.address, finish_seconds=2.0
    )  # so that not every run of the tests waits so long
    assert arrived.wait(60)
    before = time.monotonic()
    assert sync.stop() == 0
    assert time.monotonic() - before < 2 + ABORT_SECONDS
    release.set()
    cut_off = [d for d in harness.deliveries() if d.state.value == "pending" and d.may_have_arrived]
    assert cut_off, "it was stored there, and we do not know"
    assert "in_flight" not in harness.states()
    assert is_everything_released(store, sync_commands.database)
    with store.read() as uow:
        assert uow.breakers.get(HAPI).failures == 0, "we cut it off ourselves"

    again = sync_commands.start(proxy.address)
    deadline = time.monotonic() + 60
    while set(harness.states()) != {"sent"}:
        assert time.monotonic() < deadline, harness.states()
        time.sleep(0.2)
    assert again.stop() == 0
    assert {resource["meta"]["versionId"] for resource in ehr.all("Patient")} == {"1"}


def publish_people_to_hapi(store: Store, people: int) -> None:
    """People with everything about them, on their way to the destination that sync knows."""
    publish_people(store, people, each=1, to=HAPI)


def is_everything_released(store: Store, url: str) -> bool:
    """Neither a lane nor the lead: a process that starts now need not wait for anything to end."""
    with store.read() as uow:
        lead = uow.leases.find(TIMERS)
    return (
        lead is None
        and query_scalar(url, "SELECT count(*) FROM outbox_lanes WHERE lease_until IS NOT NULL") == 0
    )


def query_scalar(url: str, sql: str) -> int:
    """What the database itself answers."""
    engine, _ = open_engines(url)
    with engine.connect() as connection:
        answer: int = connection.execute(sa.text(sql)).scalar_one()
    engine.dispose()
    return answer


def discard_result(_: object) -> None:
    """Nothing is made of it."""
