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
from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.engine.migrating import check_migrated
from fhir_pmp.store.errors import NotMigrated
from fhir_pmp.store.tables.published import published
from fhir_pmp.store.tables.responses import flags, responses
from tests.faults.fault_scenario import FaultScenario, in_process_stub, scenario_against
from tests.faults.processes.push_processes import REPOSITORY
from tests.faults.processes.record_once import enrol_and_record
from tests.integration.conftest import migrated_copy
from tests.integration.intake.intake_harness import NOW as RECORDED_AT

Result = TypeVar("Result")

KILLED = -signal.SIGKILL
COMMAND = str(Path(sys.executable).parent / "fhir-pmp")


def is_killed_while_recording(scenario: FaultScenario, point: str) -> bool:
    """Whether a process that enrols somebody and records their response was killed at this point."""
    command = [
        sys.executable,
        "-m",
        "tests.faults.processes.record_once",
        "--database",
        scenario.database,
        "--crash-at",
        point,
    ]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == KILLED


def count_rows(scenario: FaultScenario) -> tuple[int, int, int, int]:
    """How many responses, flags, published versions about them, and deliveries of those there are."""
    about = sa.and_(published.c.type.in_(["QuestionnaireResponse", "Observation", "Flag"]))
    with scenario.store.read() as uow:
        counts = [
            uow._connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (responses, flags)
        ]
        versions = uow._connection.execute(
            sa.select(sa.func.count()).select_from(published).where(about)
        ).scalar_one()
    queued = [
        d for d in scenario.harness.deliveries() if d.type in ("QuestionnaireResponse", "Observation", "Flag")
    ]
    return counts[0], counts[1], versions, len(queued)


NO_ROWS, ALL_ROWS = (0, 0, 0, 0), (1, 1, 4, 4)


def push_after_lease(scenario: FaultScenario) -> None:
    """A sync process begins, an hour later."""
    scenario.harness.now = max(scenario.harness.now, RECORDED_AT)
    scenario.harness.later(hours=1)
    scenario.harness.push_until_quiet()
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P1")
def test_f01_killed_before_the_commit_there_is_neither_fact_nor_event(scenario: FaultScenario) -> None:
    assert is_killed_while_recording(scenario, "facts written")
    assert count_rows(scenario) == NO_ROWS
    # The platform got no answer and sends it again: it is new.
    assert enrol_and_record(scenario.store) == "accepted"
    assert count_rows(scenario) == ALL_ROWS


@pytest.mark.promise("P1")
def test_f02_killed_between_the_commit_and_the_claim_it_is_sent_after_the_restart(
    scenario: FaultScenario,
) -> None:
    assert is_killed_while_recording(scenario, "facts committed")
    assert count_rows(scenario) == ALL_ROWS
    push_after_lease(scenario)
    assert {d.type for d in scenario.harness.deliveries()} >= {"QuestionnaireResponse", "Observation", "Flag"}
    # The platform got no answer and sends it again: it is known, and nothing is sent twice.
    assert enrol_and_record(scenario.store) == "repeated"
    assert count_rows(scenario) == ALL_ROWS
    writes = len(scenario.proxy.written_bodies())
    scenario.harness.push()
    assert len(scenario.proxy.written_bodies()) == writes


@pytest.mark.promise("P9")
def test_f47_killed_between_response_and_flag_there_is_neither_and_afterwards_both(
    scenario: FaultScenario,
) -> None:
    assert is_killed_while_recording(scenario, "response kept")
    assert count_rows(scenario) == NO_ROWS
    assert enrol_and_record(scenario.store) == "accepted"
    assert count_rows(scenario) == ALL_ROWS
    with scenario.store.read() as uow:
        (flag,) = uow.flags.list_open()
        episode = uow.episodes.find_by_enrolment(SourceId("redcap-wide"), "e1")
    assert episode is not None
    assert flag.episode == episode.id


def check_killed_intake(scenario: FaultScenario, point: str) -> None:
    """The response is whole or not there; recorded again it is there once, and reaches the EHR once."""
    assert is_killed_while_recording(scenario, point)
    assert count_rows(scenario) in (NO_ROWS, ALL_ROWS)
    assert enrol_and_record(scenario.store) in ("accepted", "repeated")
    assert count_rows(scenario) == ALL_ROWS
    push_after_lease(scenario)


def check_killed_push(scenario: FaultScenario, point: str) -> None:
    """Whoever comes after the lease sends what is left, once."""
    scenario.publish_people()
    assert scenario.push_processes.run(scenario.proxy.address, crash_at=point) == KILLED
    push_after_lease(scenario)


def check_killed_migration(scenario: FaultScenario, point: str) -> None:
    """The tables are all there or none of them; migrated again they are those of this version."""
    empty_database(scenario.database)
    assert migrate(scenario.database, {TEST_BUILD: "1", CRASH_AT: point}) == KILLED
    with pytest.raises(NotMigrated):
        read_database(scenario.database, check_migrated)
    assert tables(scenario.database) == set()
    assert migrate(scenario.database, {TEST_BUILD: "1"}) == 0
    read_database(scenario.database, check_migrated)
    assert "outbox" in tables(scenario.database)


CHECK_BY_CRASH_POINT: dict[str, Callable[[FaultScenario, str], None]] = {
    "revision applied": check_killed_migration,
    "response kept": check_killed_intake,
    "facts written": check_killed_intake,
    "facts committed": check_killed_intake,
    "lane claimed": check_killed_push,
    "bundle answered": check_killed_push,
    "delivery settled": check_killed_push,
    "lane released": check_killed_push,
}
"""What reaches each point. A point that nothing reaches here is forgotten, and its test fails."""


@pytest.mark.promise("P1")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_registered_point_nothing_is_lost_doubled_or_halved(
    kind: str, point: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert point in CHECK_BY_CRASH_POINT, "a crash point without a program that reaches it"
    with (
        migrated_copy(kind, request, tmp_path) as database,
        in_process_stub() as address,
        scenario_against(address, database) as scenario,
    ):
        CHECK_BY_CRASH_POINT[point](scenario, point)


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


def read_database(database: str, ask: Callable[[sa.Connection], Result]) -> Result:
    """What is found in a database."""
    engine, _ = open_engines(database)
    try:
        with engine.connect() as connection, connection.begin():
            return ask(connection)
    finally:
        engine.dispose()


def tables(database: str) -> set[str]:
    """The tables of a database, but for the migrations' own."""
    return read_database(database, lambda connection: set(sa.inspect(connection).get_table_names())) - {
        "alembic_version"
    }


def empty_database(database: str) -> None:
    """The same database with nothing in it."""

    def empty(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
            return
        everything = sa.MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)

    read_database(database, empty)
