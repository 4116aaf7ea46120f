"""What we know of each destination: its ids for our resources, and its breaker."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.array_params import in_array, in_array_param
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import breakers, former_remote_ids, remote_ids

_PUT_ID = BulkInsert(
    remote_ids,
    "destination",
    "local_reference",
    "remote_reference",
    "how",
    "by",
    "at",
    on_conflict="ON CONFLICT (destination, local_reference) DO UPDATE SET "
    "remote_reference = excluded.remote_reference, how = excluded.how, by = excluded.by, at = excluded.at",
)
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

_ADD_FORMER = BulkInsert(
    former_remote_ids,
    "destination",
    "local_reference",
    "remote_reference",
    "retired_at",
    "how",
    "by",
    "at",
    "retired_reason",
)


_SELECT_IDS = sa.select(remote_ids).where(
    remote_ids.c.destination == sa.bindparam("to", type_=sa.String()),
    in_array_param(remote_ids.c.local_reference, "local_reference"),
)

ASSIGNED_BY_SERVER = "named by the server"
"""How a link came about that is no finding of ours: the destination gave the resource its id."""


@dataclass(frozen=True, slots=True)
class RemoteId:
    """What a destination calls one of our resources, and who or what found that out."""

    local_reference: str  # "Patient/…"
    remote_reference: str  # "Patient/…", there
    how: str  # for people: "one active match", "decided"
    by: str
    at: datetime


class RemoteIds:
    """What destinations call our resources."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: DestinationId, local_reference: str) -> RemoteId | None:
        """The link of one resource, if it is known."""
        return self.find_many(destination, [local_reference]).get(local_reference)

    def find_many(self, destination: DestinationId, local_reference: Iterable[str]) -> dict[str, RemoteId]:
        """The known links of these resources."""
        found: dict[str, RemoteId] = {}
        for chunk in chunked(list(dict.fromkeys(local_reference))):
            for row in self._connection.execute(_SELECT_IDS, {"to": destination, "local_reference": chunk}):
                found[row.local_reference] = RemoteId(
                    row.local_reference, row.remote_reference, row.how, row.by, row.at
                )
        return found

    def link(
        self,
        destination: DestinationId,
        local_reference: str,
        remote_reference: str,
        *,
        how: str,
        by: str,
        now: datetime,
    ) -> None:
        """Remembers what the destination calls it; a new answer replaces the old one."""
        _PUT_ID(
            self._connection,
            [(destination, local_reference, remote_reference, how, by, to_milliseconds(now))],
        )

    def forget_matches(self, local_reference: str) -> list[DestinationId]:
        """Forgets where it was found to be what another record there is; the destinations, which are asked again."""
        found = (remote_ids.c.local_reference == local_reference, remote_ids.c.how != ASSIGNED_BY_SERVER)
        forgotten = sa.delete(remote_ids).where(*found).returning(remote_ids.c.destination)
        return sorted(DestinationId(one) for one in self._connection.execute(forgotten).scalars())

    def find_by_remote(self, destination: DestinationId, remote_references: Iterable[str]) -> list[RemoteId]:
        """The links of ours that lead to these `Type/id` of the destination."""
        found: list[RemoteId] = []
        for chunk in chunked(sorted(set(remote_references))):
            query = sa.select(remote_ids).where(
                remote_ids.c.destination == destination, in_array(remote_ids.c.remote_reference, chunk)
            )
            rows = self._connection.execute(query)
            found += [
                RemoteId(row.local_reference, row.remote_reference, row.how, row.by, row.at) for row in rows
            ]
        return found

    def list_patients(self, destination: DestinationId) -> list[RemoteId]:
        """The people who were found, or decided, to be a Patient of the destination."""
        query = sa.select(remote_ids).where(
            remote_ids.c.destination == destination,
            remote_ids.c.how != ASSIGNED_BY_SERVER,
            remote_ids.c.local_reference.like("Patient/%"),
        )
        rows = self._connection.execute(query.order_by(remote_ids.c.local_reference))
        return [RemoteId(row.local_reference, row.remote_reference, row.how, row.by, row.at) for row in rows]

    def retire(self, destination: DestinationId, link: RemoteId, *, why: str, now: datetime) -> None:
        """What it was called there is kept as what it was called until now; it is called nothing from now on."""
        _ADD_FORMER(
            self._connection,
            [
                (
                    destination,
                    link.local_reference,
                    link.remote_reference,
                    to_milliseconds(now),
                    link.how,
                    link.by,
                    to_milliseconds(link.at),
                    why,
                )
            ],
        )
        self._connection.execute(
            sa.delete(remote_ids).where(
                remote_ids.c.destination == destination, remote_ids.c.local_reference == link.local_reference
            )
        )

    def list_former(self, destination: DestinationId, local_reference: str) -> list[tuple[str, str]]:
        """What one of ours was called before and why it is not any more, oldest first."""
        c = former_remote_ids.c
        query = sa.select(c.remote_reference, c.retired_reason).where(
            c.destination == destination, c.local_reference == local_reference
        )
        return [
            (remote_reference, why)
            for remote_reference, why in self._connection.execute(query.order_by(c.retired_at))
        ]

    def unlink(self, destination: DestinationId, local_reference: str) -> None:
        """Forgets what the destination calls it."""
        self._connection.execute(
            sa.delete(remote_ids).where(
                remote_ids.c.destination == destination, remote_ids.c.local_reference == local_reference
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
        return _breaker(self._connection.execute(_SELECT_BREAKER, {"to": destination}).one_or_none())

    def get_for_update(self, destination: DestinationId) -> Breaker:
        """The breaker, which nobody else changes before this transaction ends: failures are counted one by one."""
        _ADD_CLOSED_BREAKER(self._connection, [(destination, "closed", 0)])
        return _breaker(self._connection.execute(_SELECT_BREAKER_FOR_UPDATE, {"to": destination}).one())

    def put(self, destination: DestinationId, breaker: Breaker) -> None:
        """Keeps the breaker."""
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
