"""What we know of each destination: its ids for our resources, and its breaker."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.among import among, among_given
from fhir_pmp.store.batches import BulkInsert, handfuls
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.tables.delivery import breakers, destination_ids, former_destination_ids

_LINK = BulkInsert(
    destination_ids,
    "destination",
    "ours",
    "theirs",
    "how",
    "by",
    "at",
    otherwise="ON CONFLICT (destination, ours) DO UPDATE SET "
    "theirs = excluded.theirs, how = excluded.how, by = excluded.by, at = excluded.at",
)
_BREAKER = BulkInsert(
    breakers,
    "destination",
    "state",
    "failures",
    "opened_at",
    "probe_at",
    "reason",
    otherwise="ON CONFLICT (destination) DO UPDATE SET state = excluded.state, failures = excluded.failures, "
    "opened_at = excluded.opened_at, probe_at = excluded.probe_at, reason = excluded.reason",
)

_BREAKER_OF = sa.select(breakers).where(breakers.c.destination == sa.bindparam("to", type_=sa.String()))
_BREAKER_HELD = _BREAKER_OF.with_for_update()

_CLOSED = BulkInsert(
    breakers, "destination", "state", "failures", otherwise="ON CONFLICT (destination) DO NOTHING"
)

_FORMER = BulkInsert(
    former_destination_ids, "destination", "ours", "theirs", "until", "how", "by", "at", "why"
)


_LINKS = sa.select(destination_ids).where(
    destination_ids.c.destination == sa.bindparam("to", type_=sa.String()),
    among_given(destination_ids.c.ours, "ours"),
)

NAMED_BY_SERVER = "named by the server"
"""How a link came about that is no finding of ours: the destination gave the resource its id."""


@dataclass(frozen=True, slots=True)
class DestinationLink:
    """What a destination calls one of our resources, and who or what found that out."""

    ours: str  # "Patient/…"
    theirs: str  # "Patient/…", there
    how: str  # for people: "one active match", "decided"
    by: str
    at: datetime


class DestinationIds:
    """What destinations call our resources."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: DestinationId, ours: str) -> DestinationLink | None:
        """The link of one resource, if it is known."""
        return self.find_many(destination, [ours]).get(ours)

    def find_many(self, destination: DestinationId, ours: Iterable[str]) -> dict[str, DestinationLink]:
        """The known links of these resources."""
        found: dict[str, DestinationLink] = {}
        for some in handfuls(list(dict.fromkeys(ours))):
            for row in self._connection.execute(_LINKS, {"to": destination, "ours": some}):
                found[row.ours] = DestinationLink(row.ours, row.theirs, row.how, row.by, row.at)
        return found

    def link(
        self, destination: DestinationId, ours: str, theirs: str, *, how: str, by: str, now: datetime
    ) -> None:
        """Remembers what the destination calls it; a new answer replaces the old one."""
        _LINK(self._connection, [(destination, ours, theirs, how, by, milliseconds(now))])

    def forget_found(self, ours: str) -> list[DestinationId]:
        """Forgets where it was found to be what another record there is; the destinations, which are asked again."""
        found = (destination_ids.c.ours == ours, destination_ids.c.how != NAMED_BY_SERVER)
        forgotten = sa.delete(destination_ids).where(*found).returning(destination_ids.c.destination)
        return sorted(DestinationId(one) for one in self._connection.execute(forgotten).scalars())

    def leading_to(self, destination: DestinationId, places: Iterable[str]) -> list[DestinationLink]:
        """The links of ours that lead to these `Type/id` of the destination."""
        found: list[DestinationLink] = []
        for some in handfuls(sorted(set(places))):
            query = sa.select(destination_ids).where(
                destination_ids.c.destination == destination, among(destination_ids.c.theirs, some)
            )
            rows = self._connection.execute(query)
            found += [DestinationLink(row.ours, row.theirs, row.how, row.by, row.at) for row in rows]
        return found

    def people(self, destination: DestinationId) -> list[DestinationLink]:
        """The people who were found, or decided, to be a Patient of the destination."""
        query = sa.select(destination_ids).where(
            destination_ids.c.destination == destination,
            destination_ids.c.how != NAMED_BY_SERVER,
            destination_ids.c.ours.like("Patient/%"),
        )
        rows = self._connection.execute(query.order_by(destination_ids.c.ours))
        return [DestinationLink(row.ours, row.theirs, row.how, row.by, row.at) for row in rows]

    def retire(self, destination: DestinationId, link: DestinationLink, *, why: str, now: datetime) -> None:
        """What it was called there is kept as what it was called until now; it is called nothing from now on."""
        _FORMER(
            self._connection,
            [
                (
                    destination,
                    link.ours,
                    link.theirs,
                    milliseconds(now),
                    link.how,
                    link.by,
                    milliseconds(link.at),
                    why,
                )
            ],
        )
        self._connection.execute(
            sa.delete(destination_ids).where(
                destination_ids.c.destination == destination, destination_ids.c.ours == link.ours
            )
        )

    def former(self, destination: DestinationId, ours: str) -> list[tuple[str, str]]:
        """What one of ours was called before and why it is not any more, oldest first."""
        c = former_destination_ids.c
        query = sa.select(c.theirs, c.why).where(c.destination == destination, c.ours == ours)
        return [(theirs, why) for theirs, why in self._connection.execute(query.order_by(c.until))]

    def unlink(self, destination: DestinationId, ours: str) -> None:
        """Forgets what the destination calls it."""
        self._connection.execute(
            sa.delete(destination_ids).where(
                destination_ids.c.destination == destination, destination_ids.c.ours == ours
            )
        )


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether we call a destination. Kept here so that every process obeys it and a restart forgets nothing."""

    state: str = "closed"  # closed | open | half_open | paused | recovering
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    reason: str | None = None


class Breakers:
    """The breaker of each destination. What opens and closes it is decided in ehr."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, destination: DestinationId) -> Breaker:
        """The breaker as it stands; a closed one where nothing was ever kept."""
        return _breaker(self._connection.execute(_BREAKER_OF, {"to": destination}).one_or_none())

    def hold(self, destination: DestinationId) -> Breaker:
        """The breaker, which nobody else changes before this transaction ends: failures are counted one by one."""
        _CLOSED(self._connection, [(destination, "closed", 0)])
        return _breaker(self._connection.execute(_BREAKER_HELD, {"to": destination}).one())

    def put(self, destination: DestinationId, breaker: Breaker) -> None:
        """Keeps the breaker."""
        opened, probe = (
            None if at is None else milliseconds(at) for at in (breaker.opened_at, breaker.probe_at)
        )
        _BREAKER(
            self._connection,
            [(destination, breaker.state, breaker.failures, opened, probe, breaker.reason)],
        )


def _breaker(row: sa.Row[Any] | None) -> Breaker:
    if row is None:
        return Breaker()
    return Breaker(row.state, row.failures, row.opened_at, row.probe_at, row.reason)
