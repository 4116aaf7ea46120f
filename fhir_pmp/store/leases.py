"""Who leads: one holder at a time for a named duty, until the lease ends, fenced by an epoch."""

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
    # A renewal goes on under its epoch; whoever takes over begins the next, and the former one's work ends there.
    "epoch = leases.epoch + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END",
)
_NO_HOLDER = ""

TIMERS = "timers"
"""The duty of one sync process among several: letters, timekeeping, reviews, pull and reconcile."""


class JobLeaseLost(NotAllowed):
    """Another process holds this duty now: what was begun under it is theirs to do, and changes nothing here."""


@dataclass(frozen=True, slots=True)
class JobLease:
    """A named duty as one process holds it. It counts only while its epoch is the newest of that name."""

    name: str
    holder: str
    epoch: int
    until: datetime


class Leases:
    """Named duties that one process holds at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def acquire(
        self, name: str, holder: str, *, now: datetime, duration: timedelta, force: bool = False
    ) -> JobLease | None:
        """The duty, if this holder has it from now on; its own lease is renewed. By force: whoever else has it.

        A lease that is to last more than twice as long as ours was taken by a clock that is wrong: it counts as ended.
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
        """Who has or last had the duty; None where nobody ever had it or it was given back."""
        query = sa.select(leases.c.holder, leases.c.epoch, leases.c.until).where(leases.c.name == name)
        row = self._connection.execute(query).one_or_none()
        return (
            None
            if row is None or row.holder == _NO_HOLDER
            else JobLease(name, row.holder, row.epoch, row.until)
        )

    def require_held(self, lease: JobLease) -> None:
        """Keeps others from taking the duty over before this transaction ends. Raises DutyLost."""
        query = sa.select(leases.c.holder, leases.c.epoch).where(leases.c.name == lease.name)
        row = self._connection.execute(query.with_for_update(read=True)).one_or_none()
        if row is None or (row.holder, row.epoch) != (lease.holder, lease.epoch):
            raise JobLeaseLost(field=lease.name)

    def release_lease(self, name: str, holder: str) -> None:
        """Ends this holder's lease. The epoch stays, so that it never counts backwards."""
        self._connection.execute(
            sa.update(leases)
            .where(leases.c.name == name, leases.c.holder == holder)
            .values(holder=_NO_HOLDER)
        )
