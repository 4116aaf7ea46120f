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
from tests.faults.proxy import Fault, first_where, is_write
from tests.faults.recorder import clinic
from tests.faults.scene import Scene
from tests.faults.sick_database import full_disk, locked
from tests.integration.ehr.house import House
from tests.integration.web.house import open_house
from tests.integration.web.programme_api.platform import Platform, phq9

PATIENCE = 0.4
"""Seconds that a writer waits for its turn here; ten in a clinic."""
WITH_A_FLAG = "222222221"


@pytest.fixture
def platform(migrated_url: str) -> Iterator[Platform]:
    """A platform that has enrolled somebody, before a web process that waits PATIENCE for the database."""
    store = Store(migrated_url, busy_seconds=PATIENCE)
    house = open_house(store, clinic())
    platform = Platform(house)
    platform.enrol()
    yield platform
    house.desk.audit.close()
    house.desk.press.close()
    store.close()


def kept(store: Store) -> dict[str, int]:
    """How many rows there are of what a response brings."""
    with store.read() as books:
        return {
            table.name: books._connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (responses, flags, published)
        }


def expect_nothing_and_then_all(platform: Platform, ill: ExitStack, before: dict[str, int]) -> None:
    """While the database is ill the answer is 503 and nothing of it is kept; well again, the same request is done."""
    store = platform.house.store
    answer = platform.put("/responses/r1", phq9(WITH_A_FLAG))
    assert (answer.status_code, int(answer.headers["Retry-After"]) >= 1) == (503, True)
    assert kept(store) == before
    ill.close()
    assert kept(store) == before
    again = platform.put("/responses/r1", phq9(WITH_A_FLAG))
    assert (again.status_code, again.json["outcome"]) == (201, "accepted")
    after = kept(store)
    assert (after["responses"], after["flags"]) == (before["responses"] + 1, before["flags"] + 1)
    assert after["published"] > before["published"]


def test_f45_a_request_waits_its_turn_and_is_done(platform: Platform, migrated_url: str) -> None:
    with locked(migrated_url, for_seconds=PATIENCE / 2):
        began = time.monotonic()
        answer = platform.put("/responses/r1", phq9(WITH_A_FLAG))
        assert time.monotonic() - began >= PATIENCE / 4, "it met the lock"
    assert answer.status_code == 201
    assert kept(platform.house.store)["flags"] == 1


def test_f45_a_request_that_waits_too_long_is_503_and_nothing_of_it_is_kept(
    platform: Platform, migrated_url: str
) -> None:
    before = kept(platform.house.store)
    with ExitStack() as ill:
        ill.enter_context(locked(migrated_url))
        expect_nothing_and_then_all(platform, ill, before)


@contextmanager
def impatient(scene: Scene) -> Iterator[House]:
    """The same house over a store that waits PATIENCE."""
    store = Store(scene.database, busy_seconds=PATIENCE)
    with House(store, scene.proxy.address) as house:
        yield house
    store.close()


def test_f45_a_push_that_cannot_write_down_what_was_sent_settles_it_later_once(scene: Scene) -> None:
    scene.publish_people()
    lock = locked(scene.database)
    text = f"score-{scene.first}-1".encode()
    scene.proxy.plan = first_where(
        lambda call: is_write(call) and text in call.body,
        Fault("the database is locked", after_upstream=lambda: lock.__enter__()),
    )
    with impatient(scene) as house:
        with pytest.raises(StoreBusy):
            house.push()
        lock.__exit__(None, None, None)
        assert house.states()["in_flight"] >= 8, "neither sent nor forgotten: the lease ends by itself"
        house.later(hours=1)
        house.push_until_quiet()
    scene.expect_all_once(versions=1)
    assert len([seen for seen in scene.proxy.committed() if text in seen.body]) == 1


def test_f45_who_reads_before_writing_is_never_told_that_the_snapshot_is_old(scene: Scene) -> None:
    scene.publish_people(1)
    other = Store(scene.database, busy_seconds=PATIENCE)
    with scene.store.begin() as books:
        before = len(books.deliveries.list_all())
        # Somebody else would commit now, between our reading and our writing: they wait until we are done.
        with pytest.raises(StoreBusy), other.begin() as others:
            others.work_items.open("kind", about="them", role="clinician", what="theirs", now=scene.house.now)
        books.work_items.open("kind", about="us", role="clinician", what="ours", now=scene.house.now)
    assert before == 9
    with other.begin() as others:
        others.work_items.open("kind", about="them", role="clinician", what="theirs", now=scene.house.now)
    other.close()
    assert {item.about for item in scene.house.work_items()} == {"us", "them"}


def test_f45_a_snapshot_that_is_old_all_the_same_is_an_error_that_passes(scene: Scene) -> None:
    # What SQLite says at once, whatever the patience, to a reader that comes to write after somebody else did; and
    # what PostgreSQL says of two transactions of which only one can stand.
    raised: Exception = psycopg.errors.SerializationFailure("could not serialize access")
    if scene.database.startswith("sqlite"):
        raised = old_snapshot(Path(scene.database.removeprefix("sqlite:///")))
    with pytest.raises(StoreBusy), scene.store.begin() as books:
        books.work_items.open("kind", about="us", role="clinician", what="ours", now=scene.house.now)
        raise sa.exc.OperationalError("INSERT", None, raised)
    assert scene.house.work_items() == []


def old_snapshot(file: Path) -> sqlite3.OperationalError:
    """SQLITE_BUSY_SNAPSHOT, as SQLite raises it."""
    reader, writer = (sqlite3.connect(file, isolation_level=None, timeout=10) for _ in range(2))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM leases").fetchall()
    writer.execute("INSERT INTO leases (name, holder, until, epoch) VALUES ('x', 'x', 0, 1)")
    try:
        with pytest.raises(sqlite3.OperationalError) as told:
            reader.execute("DELETE FROM leases")
    finally:
        reader.close()
        writer.close()
    assert told.value.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT
    return told.value


def test_f46_a_disk_that_is_full_at_the_commit_is_503_and_nothing_is_half_written(platform: Platform) -> None:
    before = kept(platform.house.store)
    with ExitStack() as ill:
        ill.enter_context(full_disk(platform.house.store))
        expect_nothing_and_then_all(platform, ill, before)
    with platform.house.store.read() as books:
        connection = books._connection
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        answers = connection.execute(sa.select(audit.c.outcome)).scalars().all()
    assert "201" in answers, "what was done is written down"


def test_f46_nothing_is_given_away_while_there_is_no_room_to_write_it_down(platform: Platform) -> None:
    with full_disk(platform.house.store):
        answers = [platform.get("/enrolments/e1").status_code for _ in range(200)]
    assert 503 in answers
    with platform.house.store.read() as books:
        written = books._connection.execute(
            sa.select(sa.func.count()).select_from(audit).where(audit.c.action == "read")
        ).scalar_one()
    # Every answer that was given stands in the audit; SQLite has room for some in the pages it has.
    assert written == answers.count(200)
    assert platform.get("/enrolments/e1").status_code == 200


def test_f46_a_push_without_room_to_write_down_what_was_sent_settles_it_later_once(scene: Scene) -> None:
    scene.publish_people(4, each=20)
    disk = full_disk(scene.store)
    text = f"score-{scene.first}-1".encode()
    scene.proxy.plan = first_where(
        lambda call: is_write(call) and text in call.body,
        Fault("the disk is full", after_upstream=lambda: disk.__enter__()),
    )
    with pytest.raises(StoreBusy):
        scene.house.push()
    disk.__exit__(None, None, None)
    assert scene.house.states()["in_flight"] >= 8
    scene.house.later(hours=1)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)
    assert len([seen for seen in scene.proxy.committed() if text in seen.body]) == 1
