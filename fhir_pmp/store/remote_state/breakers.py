"""Stores the circuit breaker of each destination, shared by all processes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.bulk import BulkInsert
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import breakers

_PUT_BREAKER = BulkInsert(
    breakers,
    "destination",
    "state",
    "failures",
    "opened_at",
    "probe_at",
    "reason",
    on_conflict="ON CONFLICT (destination) DO UPDATE SET state = excluded.state, failures = excluded.failures, "
    "opened_at = excluded.opened_at, probe_at = excluded.probe_at, reason = excluded.reason",
)

_SELECT_BREAKER = sa.select(breakers).where(breakers.c.destination == sa.bindparam("to", type_=sa.String()))
_SELECT_BREAKER_FOR_UPDATE = _SELECT_BREAKER.with_for_update()

_ADD_CLOSED_BREAKER = BulkInsert(
    breakers, "destination", "state", "failures", on_conflict="ON CONFLICT (destination) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker: whether a destination is called.

    Stored, so that every process obeys it, also after a restart.
    """

    state: str = "closed"  # closed | open | half_open | paused | recovering
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    reason: str | None = None


class Breakers:
    """The breaker of each destination; the rules that open and close it are in `ehr`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, destination: DestinationId) -> Breaker:
        """Returns the breaker; a closed one if none is stored."""
        return _breaker(self._connection.execute(_SELECT_BREAKER, {"to": destination}).one_or_none())

    def get_for_update(self, destination: DestinationId) -> Breaker:
        """Returns the breaker, locked until the transaction ends.

        Without the lock, failures that two processes count at once could be lost.
        """
        _ADD_CLOSED_BREAKER(self._connection, [(destination, "closed", 0)])
        return _breaker(self._connection.execute(_SELECT_BREAKER_FOR_UPDATE, {"to": destination}).one())

    def put(self, destination: DestinationId, breaker: Breaker) -> None:
        """Stores the breaker."""
        opened, probe = (
            None if at is None else to_milliseconds(at) for at in (breaker.opened_at, breaker.probe_at)
        )
        _PUT_BREAKER(
            self._connection,
            [(destination, breaker.state, breaker.failures, opened, probe, breaker.reason)],
        )


def _breaker(row: sa.Row[Any] | None) -> Breaker:
    if row is None:
        return Breaker()
    return Breaker(row.state, row.failures, row.opened_at, row.probe_at, row.reason)
