"""Looks at our tables past the program, after each commit: what was committed, and what became of deliveries."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Protocol

import psycopg

from fhir_pmp.ehr.config.content import read_content
from tests.soak.history import (
    ConsentChanged,
    DeliveryAcknowledged,
    DeliveryStateChanged,
    HistoryEvent,
    LaneClaimed,
    SafetyRowsChanged,
    VersionCommitted,
)

RISK_ITEM, RISK_FROM = "phq9-9", 1
"""Source: mappings/instruments/phq9.yaml, phq9.item9.safety."""


class Connection(Protocol):
    """As both drivers have it."""

    def execute(self, sql: Any, /) -> Any:
        """Runs a statement."""

    def close(self) -> None:
        """Closes."""


def open_observer_connection(url: str) -> Connection:
    """A connection of its own, every statement by itself."""
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


class DatabaseObserver:
    """Remembers what it has told."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_seq = 0
        self._transaction = 0
        self._consents: dict[str, bool] = {}
        self._safety_rows: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._states: dict[int, str] = {}
        self._leases: dict[str, tuple[int, float | None]] = {}
        self._sent: dict[int, str] = {}

    def read_changes(self, at: int, process: int, clock: float) -> Iterable[HistoryEvent]:
        """What a commit of this process changed, at this second of our clock."""
        yield from self._consent_changes(at)
        yield from self._new_versions(at)
        yield from self._safety_changes(at)
        yield from self._delivery_changes(at)
        yield from self._lane_changes(at, process, clock)

    def _new_versions(self, at: int) -> Iterable[HistoryEvent]:
        sql = f"SELECT seq, type, id, version, content, person, sharing FROM published WHERE seq > {self._last_seq} ORDER BY seq"
        rows = self._rows(sql)
        self._transaction += bool(rows)
        for seq, kind, id_, version, content, person, sharing in rows:
            self._last_seq = seq
            is_shared = person is None or self._consents.get(person, True)
            yield VersionCommitted(
                at, self._transaction, seq, f"{kind}/{id_}", version, read_content(bytes(content)), person,
                sharing == "record", is_shared,
            )  # fmt: skip

    def _consent_changes(self, at: int) -> Iterable[HistoryEvent]:
        for person, share in self._rows("SELECT person, share_with_ehr FROM episodes"):
            if self._consents.get(person) != bool(share):
                self._consents[person] = bool(share)
                yield ConsentChanged(at, person, bool(share))

    def _safety_changes(self, at: int) -> Iterable[HistoryEvent]:
        found = self._rows("SELECT id, answers FROM responses WHERE instrument = 'phq9'")
        at_risk = frozenset(
            id_ for id_, answers in found if json.loads(answers).get(RISK_ITEM, 0) >= RISK_FROM
        )
        flagged = frozenset(response for (response,) in self._rows("SELECT response FROM flags"))
        if (at_risk, flagged) != self._safety_rows:
            self._safety_rows = at_risk, flagged
            yield SafetyRowsChanged(at, at_risk, flagged)

    def _delivery_changes(self, at: int) -> Iterable[HistoryEvent]:
        sql = "SELECT published_seq, state FROM outbox WHERE state NOT IN ('pending', 'in_flight', 'sent')"
        found = {int(seq): str(state) for seq, state in self._rows(sql)}
        for seq, state in found.items():
            if self._states.get(seq) != state:
                yield DeliveryStateChanged(at, seq, state)
        for seq in self._states.keys() - found.keys():
            yield DeliveryStateChanged(at, seq, "on its way")
        self._states = found

    def _lane_changes(self, at: int, process: int, clock: float) -> Iterable[HistoryEvent]:
        for lane, epoch, until in self._rows("SELECT lane, epoch, lease_until FROM outbox_lanes"):
            before, previous_lease_until = self._leases.get(lane, (0, None))
            self._leases[lane] = epoch, None if until is None else until / 1000
            if epoch != before:
                yield LaneClaimed(at, process, lane, clock, previous_lease_until)
        sent = {
            int(seq): str(lane)
            for seq, lane in self._rows("SELECT published_seq, lane FROM outbox WHERE state = 'sent'")
        }
        for seq in sorted(sent.keys() - self._sent.keys()):
            yield DeliveryAcknowledged(at, process, sent[seq], seq)
        self._sent = sent

    def _rows(self, sql: str) -> list[Any]:
        found: list[Any] = self._connection.execute(sql).fetchall()
        return found
