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
from fhir_pmp.schedule.running import FINISHES_WITHIN, PUTS_BACK_WITHIN
from fhir_pmp.store import Store
from fhir_pmp.store.connecting import open_engines
from fhir_pmp.store.leases import TIMERS, DutyLost
from tests.faults.proxy import Call, Fault, FaultProxy
from tests.faults.schedulers import Schedulers
from tests.faults.sync_process import SyncProcesses
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.sample import NOW, publish_people
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
def schedulers(migrated_url: str, tmp_path: Path) -> Iterator[Schedulers]:
    """Starts whole sync processes on this test's database, and leaves none behind."""
    processes = Schedulers(migrated_url, tmp_path)
    yield processes
    processes.end()


def sent(proxy: FaultProxy) -> list[str]:
    """Every resource that went through, as often as it did."""
    return [match.decode() for body in proxy.written() for match in ENTRY.findall(body)]


def test_f09_two_relays_at_once_claim_each_event_once(
    house: House, ehr: Ehr, stub: StubProcess, syncs: SyncProcesses
) -> None:
    publish_people(house.store, 1)
    house.push()  # what everybody refers to is there: from here on both find lanes to claim
    publish_people(house.store, 40, each=1, first=2)

    def slow(call: Call) -> Fault | None:
        return Fault("slow", wait_after=0.02)

    with FaultProxy(stub.address, slow) as one, FaultProxy(stub.address, slow) as two:
        relays = [syncs.start(one.address), syncs.start(two.address)]
        assert [relay.wait() for relay in relays] == [0, 0]
        by_one, by_two = sent(one), sent(two)
    assert by_one and by_two, "both had their part"
    assert len(by_one + by_two) == len(set(by_one + by_two)) == 40 * 4
    assert {d.attempts for d in house.deliveries()} == {1}
    assert house.states() == {"sent": 1 + 8 + 40 * 4}
    assert {resource["meta"]["versionId"] for resource in ehr.all("Observation")} == {"1"}


def test_f10_two_schedulers_on_one_store_run_each_tick_once(store: Store, schedulers: Schedulers) -> None:
    first, second = schedulers.start(lease=2), schedulers.start(lease=2)
    first.wait_for("sync started")
    second.wait_for("sync started")
    time.sleep(3)
    leaders = [one for one in (first, second) if one.ticks("letters")]
    assert len(leaders) == 1, "one of them leads"
    follower = second if leaders[0] is first else first
    assert len(leaders[0].ticks("letters")) >= 3, "every second"

    leaders[0].kill()
    follower.wait_for("leads")
    follower.wait_for("timer ran")
    assert follower.stop() == 0
    ticks = sorted([*first.ticks("letters"), *second.ticks("letters")])
    gaps = [later - earlier for earlier, later in zip(ticks, ticks[1:], strict=False)]
    assert min(gaps) > timedelta(seconds=0.5), "never two for one tick, the taking over included"
    with store.read() as books:
        assert books.leases.find(TIMERS) is None, "given back at an orderly end"

    third = schedulers.start(lease=30)
    third.wait_for("timer ran")
    assert third.stop() == 0


def test_f10_a_leader_that_was_paused_past_its_lease_writes_nothing(store: Store) -> None:
    lasts = timedelta(seconds=30)
    with store.begin_beside() as books:
        slow = books.leases.take(TIMERS, "slow", now=NOW, lasts=lasts)
        assert slow is not None
        assert books.leases.take(TIMERS, "quick", now=NOW + lasts / 2, lasts=lasts) is None
    with store.under(slow).begin_beside() as books:
        books.work_items.open("a", about="x/1", role="clinician", what="while it leads", now=NOW)
    with store.begin_beside() as books:
        quick = books.leases.take(TIMERS, "quick", now=NOW + 2 * lasts, lasts=lasts)
        assert quick is not None and quick.epoch == slow.epoch + 1
    for begin in (store.under(slow).begin, store.under(slow).begin_beside):
        with pytest.raises(DutyLost), begin() as books:
            books.work_items.open("a", about="x/2", role="clinician", what="too late", now=NOW)
    with store.under(quick).begin() as books:
        assert [item.about for item in books.work_items.list_open()] == ["x/1"]


def test_f10_a_clock_that_was_a_day_ahead_does_not_lead_for_a_day(store: Store) -> None:
    lasts = timedelta(seconds=30)
    with store.begin_beside() as books:
        assert books.leases.take(TIMERS, "ahead", now=NOW + timedelta(days=1), lasts=lasts)
        assert books.leases.take(TIMERS, "right", now=NOW, lasts=lasts)


def test_a_sync_that_is_told_to_end_finishes_what_is_under_way_and_claims_nothing_new(
    house: House, store: Store, ehr: Ehr, schedulers: Schedulers, proxy: FaultProxy
) -> None:
    publish_people_to_hapi(store, 30)
    arrived = threading.Event()

    def slow(call: Call) -> Fault | None:
        if b"Patient/patient-" not in call.body:
            return None
        arrived.set()
        return Fault("slow", wait_after=2.0)

    proxy.plan = slow
    sync = schedulers.start(proxy.address)
    assert arrived.wait(60)
    before = time.monotonic()
    assert sync.stop() == 0
    assert time.monotonic() - before < 30
    states = house.states()
    assert states.keys() == {"sent", "pending"}, "nothing is left in flight"
    everybody = {d.id for d in house.deliveries() if d.type == "Patient" and d.state.value == "sent"}
    assert 1 <= len(everybody) <= 4, "one transaction a connection ended, and no other was begun"
    assert {resource["id"] for resource in ehr.all("Patient")} == everybody
    claimed = asked(
        schedulers.database, "SELECT count(*) FROM outbox_lanes WHERE epoch > 0 AND lane LIKE 'patient%'"
    )
    assert claimed <= 4, "whoever had none by then was not so much as claimed"
    assert nobody_holds_anything(store, schedulers.database)


def test_a_sync_that_is_told_to_end_before_an_ehr_that_does_not_answer_puts_back_and_ends_in_time(
    house: House, store: Store, ehr: Ehr, schedulers: Schedulers, proxy: FaultProxy
) -> None:
    publish_people_to_hapi(store, 6)
    arrived, let_go = threading.Event(), threading.Event()

    def holds(call: Call) -> Fault | None:
        if b"Patient/patient-" not in call.body or let_go.is_set():
            return None
        arrived.set()
        return Fault("held", after_upstream=lambda: void(let_go.wait(90)))

    proxy.plan = holds
    assert FINISHES_WITHIN + PUTS_BACK_WITHIN < 30
    sync = schedulers.start(proxy.address, patience=2.0)  # so that not every run of the tests waits so long
    assert arrived.wait(60)
    before = time.monotonic()
    assert sync.stop() == 0
    assert time.monotonic() - before < 2 + PUTS_BACK_WITHIN
    let_go.set()
    cut_off = [d for d in house.deliveries() if d.state.value == "pending" and d.unknown]
    assert cut_off, "it was stored there, and we do not know"
    assert "in_flight" not in house.states()
    assert nobody_holds_anything(store, schedulers.database)
    with store.read() as books:
        assert books.breakers.get(HAPI).failures == 0, "we cut it off ourselves"

    again = schedulers.start(proxy.address)
    deadline = time.monotonic() + 60
    while set(house.states()) != {"sent"}:
        assert time.monotonic() < deadline, house.states()
        time.sleep(0.2)
    assert again.stop() == 0
    assert {resource["meta"]["versionId"] for resource in ehr.all("Patient")} == {"1"}


def publish_people_to_hapi(store: Store, people: int) -> None:
    """People with everything about them, on their way to the destination that sync knows."""
    publish_people(store, people, each=1, to=HAPI)


def nobody_holds_anything(store: Store, url: str) -> bool:
    """Neither a lane nor the lead: a process that starts now need not wait for anything to end."""
    with store.read() as books:
        lead = books.leases.find(TIMERS)
    return lead is None and asked(url, "SELECT count(*) FROM outbox_lanes WHERE lease_until IS NOT NULL") == 0


def asked(url: str, question: str) -> int:
    """What the database itself answers."""
    engine, _ = open_engines(url)
    with engine.connect() as connection:
        answer: int = connection.execute(sa.text(question)).scalar_one()
    engine.dispose()
    return answer


def void(_: object) -> None:
    """Nothing is made of it."""
