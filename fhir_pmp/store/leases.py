"""Stores job leases: one process at a time does a named job.

A lease ends at its time. Its epoch fences off a former holder.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from fhir_pmp.errors import NotAllowed
from fhir_pmp.store.engine.bulk import BulkInsert
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import leases

_PUT = BulkInsert(
    leases,
    "name",
    "holder",
    "until",
    "epoch",
    on_conflict="ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, "
    # A renewal keeps the epoch. A new holder begins the next one, which fences off the former holder.
    "epoch = leases.epoch + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END",
)
_NO_HOLDER = ""

TIMERS = "timers"
"""The job that one of several sync processes does: letters, episode endings, reviews, pull and reconcile."""


class JobLeaseLost(NotAllowed):
    """Another process holds this job lease now; work begun under the earlier lease is not stored."""


@dataclass(frozen=True, slots=True)
class JobLease:
    """The lease of a named job.

    It is valid only while its epoch is the newest of that name.
    """

    name: str
    holder: str
    epoch: int
    until: datetime


class Leases:
    """The job leases, one holder at a time for each name."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def acquire(
        self, name: str, holder: str, *, now: datetime, duration: timedelta, force: bool = False
    ) -> JobLease | None:
        """Takes or renews the lease; None if another process holds it.

        `force` takes it in any case. A lease that would last more than twice `duration` was taken by a wrong
        clock and counts as ended.
        """
        query = sa.select(leases.c.holder, leases.c.until).where(leases.c.name == name).with_for_update()
        row = self._connection.execute(query).one_or_none()
        held = (
            row is not None
            and row.holder not in (holder, _NO_HOLDER)
            and now < row.until <= now + 2 * duration
        )
        if held and not force:
            return None
        _PUT(self._connection, [(name, holder, to_milliseconds(now + duration), 1)])
        return self.find(name)

    def find(self, name: str) -> JobLease | None:
        """The current or last lease of this name.

        None if there was none or it was released.
        """
        query = sa.select(leases.c.holder, leases.c.epoch, leases.c.until).where(leases.c.name == name)
        row = self._connection.execute(query).one_or_none()
        return (
            None
            if row is None or row.holder == _NO_HOLDER
            else JobLease(name, row.holder, row.epoch, row.until)
        )

    def require_held(self, lease: JobLease) -> None:
        """Keeps other processes from taking the lease before this transaction ends. Raises JobLeaseLost."""
        query = sa.select(leases.c.holder, leases.c.epoch).where(leases.c.name == lease.name)
        row = self._connection.execute(query.with_for_update(read=True)).one_or_none()
        if row is None or (row.holder, row.epoch) != (lease.holder, lease.epoch):
            raise JobLeaseLost(field=lease.name)

    def release_lease(self, name: str, holder: str) -> None:
        """Ends this holder's lease. The epoch is kept, so that it never decreases."""
        self._connection.execute(
            sa.update(leases)
            .where(leases.c.name == name, leases.c.holder == holder)
            .values(holder=_NO_HOLDER)
        )
