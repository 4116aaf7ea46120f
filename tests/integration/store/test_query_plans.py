"""No look-up of the hot paths walks a table: each starts from an index, however much is kept."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId, EpisodeId, Identifier, PersonId, ResponseId
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.store.sample_records import NOW, SOURCE

HOSPITAL = DestinationId("hospital")
EPISODES = [EpisodeId("episode-1"), EpisodeId("episode-2")]
PEOPLE = [PersonId("patient-1")]
REFERENCES = ["Observation/o1", "Patient/patient-1"]
MINUTE = timedelta(minutes=1)
QUERIES: dict[str, Callable[[UnitOfWork], object]] = {
    "people": lambda b: b.people.find_many(PEOPLE),
    "people by identifier": lambda b: b.people.find_by_identifiers([Identifier("s", "v")]),
    "episodes": lambda b: b.episodes.find_many(EPISODES),
    "episodes by enrolment": lambda b: b.episodes.find_by_enrolments(SOURCE, ["e1", "e2"]),
    "episodes of people": lambda b: b.episodes.of_people(PEOPLE),
    "referrals": lambda b: b.referrals.of_episodes(EPISODES),
    "known responses": lambda b: b.responses.find_known([ResponseId("r1"), ResponseId("r2")]),
    "responses of episodes": lambda b: b.responses.of_episodes(EPISODES),
    "flags of episodes": lambda b: b.flags.of_episodes(EPISODES),
    "flags of responses": lambda b: b.flags.of_responses([ResponseId("r1")]),
    "letters of episodes": lambda b: b.letters.of_episodes(EPISODES),
    "current versions": lambda b: b.version_writes.find_current([("Observation", "o1"), ("Flag", "f1")]),
    "shared episodes": lambda b: b.version_writes.find_shared_episodes(EPISODES),
    "sharing people": lambda b: b.version_writes.find_sharing_people(PEOPLE),
    "records of an episode": lambda b: b.version_writes.list_shared_records(EPISODES[0], PEOPLE[0]),
    "published by reference": lambda b: b.published.find_many(Reader.internal(), REFERENCES),
    "published of a person": lambda b: b.published.of_person(Reader.internal(), PEOPLE[0]),
    "giving way": lambda b: b.outbox.queue([], [HOSPITAL], superseded=[1, 2], now=NOW),
    "claiming": lambda b: b.outbox.claim_due(HOSPITAL, now=NOW, lease=MINUTE, lanes=4, per_lane=50),
    "withholding": lambda b: b.deliveries.withhold(EPISODES[0], PEOPLE[0], reason="x"),
    "undelivered": lambda b: b.deliveries.find_undelivered(HOSPITAL, REFERENCES),
    "overtaken": lambda b: b.delivery_checks.find_overtaken([1, 2]),
    "last success": lambda b: b.deliveries.last_success_at(HOSPITAL),
    "links": lambda b: b.remote_ids.find_many(HOSPITAL, REFERENCES),
    "remote versions": lambda b: b.remote_versions.find_many(HOSPITAL, REFERENCES),
    "what was acknowledged": lambda b: b.remote_versions.clear_found(HOSPITAL, REFERENCES),
    "a token": lambda b: b.clients.find_by_token_hash("t"),
    "a session": lambda b: b.sessions.find("t"),
}
NEWEST_FIRST = "ix_outbox_sent"
"""In its order already: only the first is read."""
NO_TABLE = ("SCAN json_each", "SCAN CONSTANT ROW", "SCAN publish_clock")


@pytest.mark.parametrize("name", QUERIES)
def test_a_look_up_walks_no_table(migrated_file: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(migrated_file.read_bytes())
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    store = Store(f"sqlite:///{file}")
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with store.begin() as uow:
            QUERIES[name](uow)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        store.close()
    planned = [one for one in asked if one[0].startswith(("SELECT", "UPDATE", "DELETE"))]
    assert planned
    with closing(sqlite3.connect(file)) as connection:
        for statement, parameters in planned:
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                assert not step.startswith("SCAN") or step.startswith(NO_TABLE), (step, statement)
                one_of_many = not step.endswith("(destination=?)") or NEWEST_FIRST in step
                assert one_of_many, ("all of one destination", step, statement)
