"""Who leads: one holder at a time for a named duty, until the lease ends."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from fhir_pmp.store.batches import BulkInsert
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.tables.delivery import leases

_TAKE = BulkInsert(
    leases,
    "name",
    "holder",
    "until",
    "epoch",
    otherwise="ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, "
    "epoch = leases.epoch + 1",
)


class Leases:
    """Named duties that one process holds at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take(self, name: str, holder: str, *, now: datetime, lasts: timedelta) -> bool:
        """Whether this holder has the duty from now on; its own lease is renewed."""
        query = sa.select(leases.c.holder, leases.c.until).where(leases.c.name == name).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is not None and row.holder != holder and row.until > now:
            return False
        _TAKE(self._connection, [(name, holder, milliseconds(now + lasts), 1)])
        return True

    def give_back(self, name: str, holder: str) -> None:
        """Ends this holder's lease."""
        self._connection.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))
