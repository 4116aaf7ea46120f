"""What each destination was last seen to honour, so that every process goes by the same proof."""

from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.batches import BulkInsert
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.tables.delivery import probes

_KEEP = BulkInsert(
    probes,
    "destination",
    "at",
    "found",
    otherwise="ON CONFLICT (destination) DO UPDATE SET at = excluded.at, found = excluded.found",
)


class Proofs:
    """The last proof of each destination. What it says is ehr's to know."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: DestinationId) -> tuple[datetime, str] | None:
        """When it was proven and what was found, as JSON."""
        query = sa.select(probes.c.at, probes.c.found).where(probes.c.destination == destination)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.at, row.found)

    def keep(self, destination: DestinationId, at: datetime, found: str) -> None:
        """Keeps a proof in the place of the last one."""
        _KEEP(self._connection, [(destination, milliseconds(at), found)])
