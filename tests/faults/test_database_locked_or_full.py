"""F45, F46: the database is locked by somebody else, changed under a reader, or has no room left at the commit."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from fhir_pmp.store import Store
from fhir_pmp.store.errors import StoreBusy
from fhir_pmp.store.tables.access import audit
from fhir_pmp.store.tables.published import published
from fhir_pmp.store.tables.responses import flags, responses
from tests.fault_injection.database_faults import full_disk, locked_database
from tests.fault_injection.fault_proxy import InjectedFault, first_where, is_write
from tests.faults.fault_scenario import FaultScenario
from tests.faults.processes.record_once import clinic
from tests.integration.ehr.sync_harness import SyncHarness
from tests.integration.web.programme_api.platform_client import Platform, phq9
from tests.integration.web.web_harness import build_web_harness

BUSY_SECONDS = 0.4
"""Seconds that a writer waits for its turn here; ten in a clinic."""
ANSWERS_WITH_FLAG = "222222221"


@pytest.fixture
def platform(migrated_url: str) -> Iterator[Platform]:
    """A platform that has enrolled somebody, before a web process that waits PATIENCE for the database."""
    store = Store(migrated_url, busy_seconds=BUSY_SECONDS)
    harness = build_web_harness(store, clinic())
    platform = Platform(harness)
    platform.enrol()
    yield platform
    harness.web_context.audit.close()
    harness.web_context.letter_context.close()
    store.close()


def count_rows(store: Store) -> dict[str, int]:
    """How many rows there are of what a response brings."""
    with store.read() as uow:
        return {
            table.name: uow._connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (responses, flags, published)
        }


def assert_refused_then_accepted(
    platform: Platform, database_fault: ExitStack, before: dict[str, int]
) -> None:
    """While the database is ill the answer is 503 and nothing of it is kept; well again, the same request is done."""
    store = platform.harness.store
    answer = platform.put("/responses/r1", phq9(ANSWERS_WITH_FLAG))
    assert (answer.status_code, int(answer.headers["Retry-After"]) >= 1) == (503, True)
    assert count_rows(store) == before
    database_fault.close()
    assert count_rows(store) == before
    again = platform.put("/responses/r1", phq9(ANSWERS_WITH_FLAG))
    assert (again.status_code, again.json["outcome"]) == (201, "accepted")
    after = count_rows(store)
    assert (after["responses"], after["flags"]) == (before["responses"] + 1, before["flags"] + 1)
    assert after["published"] > before["published"]


def test_f45_a_request_waits_its_turn_and_is_done(platform: Platform, migrated_url: str) -> None:
    with locked_database(migrated_url, for_seconds=BUSY_SECONDS / 2):
        began = time.monotonic()
        answer = platform.put("/responses/r1", phq9(ANSWERS_WITH_FLAG))
        assert time.monotonic() - began >= BUSY_SECONDS / 4, "it met the lock"
    assert answer.status_code == 201
    assert count_rows(platform.harness.store)["flags"] == 1


@pytest.mark.promise("P5")
def test_f45_a_request_that_waits_too_long_is_503_and_nothing_of_it_is_kept(
    platform: Platform, migrated_url: str
) -> None:
    before = count_rows(platform.harness.store)
    with ExitStack() as database_fault:
        database_fault.enter_context(locked_database(migrated_url))
        assert_refused_then_accepted(platform, database_fault, before)


@contextmanager
def harness_with_short_timeout(scenario: FaultScenario) -> Iterator[SyncHarness]:
    """The same harness over a store that waits PATIENCE."""
    store = Store(scenario.database, busy_seconds=BUSY_SECONDS)
    with SyncHarness(store, scenario.proxy.address) as harness:
        yield harness
    store.close()


@pytest.mark.promise("P1")
def test_f45_a_push_that_cannot_write_down_what_was_sent_settles_it_later_once(
    scenario: FaultScenario,
) -> None:
    scenario.publish_people()
    lock = locked_database(scenario.database)
    text = f"score-{scenario.first}-1".encode()
    scenario.proxy.plan = first_where(
        lambda call: is_write(call) and text in call.body,
        InjectedFault("the database is locked", after_upstream=lambda: lock.__enter__()),
    )
    with harness_with_short_timeout(scenario) as harness:
        with pytest.raises(StoreBusy):
            harness.push()
        lock.__exit__(None, None, None)
        assert harness.states()["in_flight"] >= 8, "neither sent nor forgotten: the lease ends by itself"
        harness.later(hours=1)
        harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)
    assert len([seen for seen in scenario.proxy.stored_calls() if text in seen.body]) == 1


def test_f45_who_reads_before_writing_is_never_told_that_the_snapshot_is_old(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    other = Store(scenario.database, busy_seconds=BUSY_SECONDS)
    with scenario.store.begin() as uow:
        before = len(uow.deliveries.list_all())
        # Somebody else would commit now, between our reading and our writing: they wait until we are done.
        with pytest.raises(StoreBusy), other.begin() as others:
            others.work_items.open(
                "kind", about="them", role="clinician", what="theirs", now=scenario.harness.now
            )
        uow.work_items.open("kind", about="us", role="clinician", what="ours", now=scenario.harness.now)
    assert before == 9
    with other.begin() as others:
        others.work_items.open(
            "kind", about="them", role="clinician", what="theirs", now=scenario.harness.now
        )
    other.close()
    assert {item.about for item in scenario.harness.work_items()} == {"us", "them"}


def test_f45_a_snapshot_that_is_old_all_the_same_is_an_error_that_passes(scenario: FaultScenario) -> None:
    # What SQLite says at once, whatever the patience, to a reader that comes to write after somebody else did; and
    # what PostgreSQL says of two transactions of which only one can stand.
    raised: Exception = psycopg.errors.SerializationFailure("could not serialize access")
    if scenario.database.startswith("sqlite"):
        raised = busy_snapshot_error(Path(scenario.database.removeprefix("sqlite:///")))
    with pytest.raises(StoreBusy), scenario.store.begin() as uow:
        uow.work_items.open("kind", about="us", role="clinician", what="ours", now=scenario.harness.now)
        raise sa.exc.OperationalError("INSERT", None, raised)
    assert scenario.harness.work_items() == []


def busy_snapshot_error(file: Path) -> sqlite3.OperationalError:
    """SQLITE_BUSY_SNAPSHOT, as SQLite raises it."""
    reader, writer = (sqlite3.connect(file, isolation_level=None, timeout=10) for _ in range(2))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM leases").fetchall()
    writer.execute("INSERT INTO leases (name, holder, until, epoch) VALUES ('x', 'x', 0, 1)")
    try:
        with pytest.raises(sqlite3.OperationalError) as raised_error:
            reader.execute("DELETE FROM leases")
    finally:
        reader.close()
        writer.close()
    assert raised_error.value.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT
    return raised_error.value


@pytest.mark.promise("P5")
def test_f46_a_disk_that_is_full_at_the_commit_is_503_and_nothing_is_half_written(platform: Platform) -> None:
    before = count_rows(platform.harness.store)
    with ExitStack() as database_fault:
        database_fault.enter_context(full_disk(platform.harness.store))
        assert_refused_then_accepted(platform, database_fault, before)
    with platform.harness.store.read() as uow:
        connection = uow._connection
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        answers = connection.execute(sa.select(audit.c.outcome)).scalars().all()
    assert "201" in answers, "what was done is written down"


@pytest.mark.promise("P8")
def test_f46_nothing_is_given_away_while_there_is_no_room_to_write_it_down(platform: Platform) -> None:
    with full_disk(platform.harness.store):
        answers = [platform.get("/enrolments/e1").status_code for _ in range(200)]
    assert 503 in answers
    with platform.harness.store.read() as uow:
        written = uow._connection.execute(
            sa.select(sa.func.count()).select_from(audit).where(audit.c.action == "read")
        ).scalar_one()
    # Every answer that was given stands in the audit; SQLite has room for some in the pages it has.
    assert written == answers.count(200)
    assert platform.get("/enrolments/e1").status_code == 200


@pytest.mark.promise("P1")
def test_f46_a_push_without_room_to_write_down_what_was_sent_settles_it_later_once(
    scenario: FaultScenario,
) -> None:
    scenario.publish_people(4, each=20)
    disk = full_disk(scenario.store)
    text = f"score-{scenario.first}-1".encode()
    scenario.proxy.plan = first_where(
        lambda call: is_write(call) and text in call.body,
        InjectedFault("the disk is full", after_upstream=lambda: disk.__enter__()),
    )
    with pytest.raises(StoreBusy):
        scenario.harness.push()
    disk.__exit__(None, None, None)
    assert scenario.harness.states()["in_flight"] >= 8
    scenario.harness.later(hours=1)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)
    assert len([seen for seen in scenario.proxy.stored_calls() if text in seen.body]) == 1
