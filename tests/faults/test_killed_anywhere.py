"""F01, F02, F47 and every registered crash point: kill -9 leaves a whole, and what was promised comes about after it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from fhir_pmp.crash_points import CRASH_AT, POINTS, TEST_BUILD
from fhir_pmp.identifiers import SourceId
from fhir_pmp.store.connecting import open_engines
from fhir_pmp.store.errors import NotMigrated
from fhir_pmp.store.migrating import check_migrated
from fhir_pmp.store.tables.published import published
from fhir_pmp.store.tables.responses import flags, responses
from tests.faults.recorder import record
from tests.faults.scene import Scene, scene_before, stub_in_this_process
from tests.faults.sync_process import REPOSITORY
from tests.integration.conftest import migrated_copy
from tests.integration.intake.house import NOW as RECORDED_AT

Found = TypeVar("Found")

KILLED = -signal.SIGKILL
COMMAND = str(Path(sys.executable).parent / "fhir-pmp")


def killed_recording(scene: Scene, point: str) -> bool:
    """Whether a process that enrols somebody and records their response was killed at this point."""
    command = [
        sys.executable,
        "-m",
        "tests.faults.recorder",
        "--database",
        scene.database,
        "--crash-at",
        point,
    ]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == KILLED


def kept(scene: Scene) -> tuple[int, int, int, int]:
    """How many responses, flags, published versions about them, and deliveries of those there are."""
    about = sa.and_(published.c.type.in_(["QuestionnaireResponse", "Observation", "Flag"]))
    with scene.store.read() as books:
        counts = [
            books._connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (responses, flags)
        ]
        versions = books._connection.execute(
            sa.select(sa.func.count()).select_from(published).where(about)
        ).scalar_one()
    queued = [
        d for d in scene.house.deliveries() if d.type in ("QuestionnaireResponse", "Observation", "Flag")
    ]
    return counts[0], counts[1], versions, len(queued)


NOTHING, WHOLE = (0, 0, 0, 0), (1, 1, 4, 4)


def deliver(scene: Scene) -> None:
    """A sync process begins, an hour later."""
    scene.house.now = max(scene.house.now, RECORDED_AT)
    scene.house.later(hours=1)
    scene.house.push_until_quiet()
    scene.expect_all_once(versions=1)


def test_f01_killed_before_the_commit_there_is_neither_fact_nor_event(scene: Scene) -> None:
    assert killed_recording(scene, "facts written")
    assert kept(scene) == NOTHING
    # The platform got no answer and sends it again: it is new.
    assert record(scene.store) == "accepted"
    assert kept(scene) == WHOLE


def test_f02_killed_between_the_commit_and_the_claim_it_is_sent_after_the_restart(scene: Scene) -> None:
    assert killed_recording(scene, "facts committed")
    assert kept(scene) == WHOLE
    deliver(scene)
    assert {d.type for d in scene.house.deliveries()} >= {"QuestionnaireResponse", "Observation", "Flag"}
    # The platform got no answer and sends it again: it is known, and nothing is sent twice.
    assert record(scene.store) == "repeated"
    assert kept(scene) == WHOLE
    writes = len(scene.proxy.written())
    scene.house.push()
    assert len(scene.proxy.written()) == writes


def test_f47_killed_between_response_and_flag_there_is_neither_and_afterwards_both(scene: Scene) -> None:
    assert killed_recording(scene, "response kept")
    assert kept(scene) == NOTHING
    assert record(scene.store) == "accepted"
    assert kept(scene) == WHOLE
    with scene.store.read() as books:
        (flag,) = books.flags.list_open()
        episode = books.episodes.find_by_enrolment(SourceId("redcap-wide"), "e1")
    assert episode is not None
    assert flag.episode == episode.id


def killed_intake(scene: Scene, point: str) -> None:
    """The response is whole or not there; recorded again it is there once, and reaches the EHR once."""
    assert killed_recording(scene, point)
    assert kept(scene) in (NOTHING, WHOLE)
    assert record(scene.store) in ("accepted", "repeated")
    assert kept(scene) == WHOLE
    deliver(scene)


def killed_push(scene: Scene, point: str) -> None:
    """Whoever comes after the lease sends what is left, once."""
    scene.publish_people()
    assert scene.syncs.run(scene.proxy.address, crash_at=point) == KILLED
    deliver(scene)


def killed_migration(scene: Scene, point: str) -> None:
    """The tables are all there or none of them; migrated again they are those of this version."""
    emptied(scene.database)
    assert migrate(scene.database, {TEST_BUILD: "1", CRASH_AT: point}) == KILLED
    with pytest.raises(NotMigrated):
        look(scene.database, check_migrated)
    assert tables(scene.database) == set()
    assert migrate(scene.database, {TEST_BUILD: "1"}) == 0
    look(scene.database, check_migrated)
    assert "outbox" in tables(scene.database)


REACHED_BY: dict[str, Callable[[Scene, str], None]] = {
    "revision applied": killed_migration,
    "response kept": killed_intake,
    "facts written": killed_intake,
    "facts committed": killed_intake,
    "lane claimed": killed_push,
    "bundle answered": killed_push,
    "delivery settled": killed_push,
    "lane released": killed_push,
}
"""What reaches each point. A point that nothing reaches here is forgotten, and its test fails."""


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_registered_point_nothing_is_lost_doubled_or_halved(
    kind: str, point: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert point in REACHED_BY, "a crash point without a program that reaches it"
    with (
        migrated_copy(kind, request, tmp_path) as database,
        stub_in_this_process() as address,
        scene_before(address, database) as scene,
    ):
        REACHED_BY[point](scene, point)


def test_a_crash_point_does_nothing_outside_a_test_build(sqlite_url: str) -> None:
    assert migrate(sqlite_url, {CRASH_AT: "revision applied"}) == 0
    assert "outbox" in tables(sqlite_url)


def migrate(database: str, environment: dict[str, str]) -> int:
    """The real command; its exit status."""
    settings = {
        "DATABASE_URL": database,
        "CANONICAL_BASE": "https://clinic.example/fhir",
        "ID_SECRET": "0123456789abcdef0123456789abcdef",
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "CLINIC_ZONE": "Australia/Sydney",
        "MAPPINGS": str(REPOSITORY / "mappings"),
    }
    ours = {f"FHIR_PMP_{name}": value for name, value in settings.items()}
    process = subprocess.run(
        [COMMAND, "migrate"], env=os.environ | ours | environment, stdout=subprocess.DEVNULL, check=False
    )
    return process.returncode


def look(database: str, ask: Callable[[sa.Connection], Found]) -> Found:
    """What is found in a database."""
    engine, _ = open_engines(database)
    try:
        with engine.connect() as connection, connection.begin():
            return ask(connection)
    finally:
        engine.dispose()


def tables(database: str) -> set[str]:
    """The tables of a database, but for the migrations' own."""
    return look(database, lambda connection: set(sa.inspect(connection).get_table_names())) - {
        "alembic_version"
    }


def emptied(database: str) -> None:
    """The same database with nothing in it."""

    def empty(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
            return
        everything = sa.MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)

    look(database, empty)
