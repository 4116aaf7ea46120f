"""Looks at our tables past the program, after each commit: what was committed, and what became of deliveries."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Protocol

import psycopg

from fhir_pmp.ehr.content import read_content
from tests.soak.history import Acknowledged, Committed, Consented, Ended, Event, Kept, Leased

RISK_ITEM, RISK_FROM = "phq9-9", 1
"""Source: mappings/instruments/phq9.yaml, phq9.item9.safety."""


class Connection(Protocol):
    """As both drivers have it."""

    def execute(self, sql: Any, /) -> Any:
        """Runs a statement."""

    def close(self) -> None:
        """Closes."""


def look_into(url: str) -> Connection:
    """A connection of its own, every statement by itself."""
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


class Eyes:
    """Remembers what it has told."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0
        self._event = 0
        self._consents: dict[str, bool] = {}
        self._kept: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._states: dict[int, str] = {}
        self._leases: dict[str, tuple[int, float | None]] = {}
        self._sent: dict[int, str] = {}

    def news(self, at: int, process: int, clock: float) -> Iterable[Event]:
        """What a commit of this process changed, at this second of our clock."""
        yield from self._of_consent(at)
        yield from self._of_versions(at)
        yield from self._of_flags(at)
        yield from self._of_deliveries(at)
        yield from self._of_lanes(at, process, clock)

    def _of_versions(self, at: int) -> Iterable[Event]:
        sql = f"SELECT seq, type, id, version, content, person, sharing FROM published WHERE seq > {self._last} ORDER BY seq"
        rows = self._rows(sql)
        self._event += bool(rows)
        for seq, kind, id_, version, content, person, sharing in rows:
            self._last = seq
            shared = person is None or self._consents.get(person, True)
            yield Committed(
                at, self._event, seq, f"{kind}/{id_}", version, read_content(bytes(content)), person,
                sharing == "record", shared,
            )  # fmt: skip

    def _of_consent(self, at: int) -> Iterable[Event]:
        for person, share in self._rows("SELECT person, share_with_ehr FROM episodes"):
            if self._consents.get(person) != bool(share):
                self._consents[person] = bool(share)
                yield Consented(at, person, bool(share))

    def _of_flags(self, at: int) -> Iterable[Event]:
        found = self._rows("SELECT id, answers FROM responses WHERE instrument = 'phq9'")
        at_risk = frozenset(
            id_ for id_, answers in found if json.loads(answers).get(RISK_ITEM, 0) >= RISK_FROM
        )
        flagged = frozenset(response for (response,) in self._rows("SELECT response FROM flags"))
        if (at_risk, flagged) != self._kept:
            self._kept = at_risk, flagged
            yield Kept(at, at_risk, flagged)

    def _of_deliveries(self, at: int) -> Iterable[Event]:
        sql = "SELECT published, state FROM outbox WHERE state NOT IN ('pending', 'in_flight', 'sent')"
        found = {int(seq): str(state) for seq, state in self._rows(sql)}
        for seq, state in found.items():
            if self._states.get(seq) != state:
                yield Ended(at, seq, state)
        for seq in self._states.keys() - found.keys():
            yield Ended(at, seq, "on its way")
        self._states = found

    def _of_lanes(self, at: int, process: int, clock: float) -> Iterable[Event]:
        for lane, epoch, until in self._rows("SELECT lane, epoch, lease_until FROM outbox_lanes"):
            before, ran_until = self._leases.get(lane, (0, None))
            self._leases[lane] = epoch, None if until is None else until / 1000
            if epoch != before:
                yield Leased(at, process, lane, clock, ran_until)
        sent = {
            int(seq): str(lane)
            for seq, lane in self._rows("SELECT published, lane FROM outbox WHERE state = 'sent'")
        }
        for seq in sorted(sent.keys() - self._sent.keys()):
            yield Acknowledged(at, process, sent[seq], seq)
        self._sent = sent

    def _rows(self, sql: str) -> list[Any]:
        found: list[Any] = self._connection.execute(sql).fetchall()
        return found
