"""Stores the last capability verification of each destination, shared by all processes."""

from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.bulk import BulkInsert
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import verifications

_PUT = BulkInsert(
    verifications,
    "destination",
    "at",
    "result",
    on_conflict="ON CONFLICT (destination) DO UPDATE SET at = excluded.at, result = excluded.result",
)


class CapabilityVerifications:
    """The last verification of each destination; `ehr` defines its content."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: DestinationId) -> tuple[datetime, str] | None:
        """Returns when it was verified, and the result as JSON."""
        query = sa.select(verifications.c.at, verifications.c.result).where(
            verifications.c.destination == destination
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.at, row.result)

    def put(self, destination: DestinationId, at: datetime, result: str) -> None:
        """Stores a verification, replacing the last one."""
        _PUT(self._connection, [(destination, to_milliseconds(at), result)])
