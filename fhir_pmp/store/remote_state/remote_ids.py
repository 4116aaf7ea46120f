"""Stores the ids that each destination uses for our resources, now and before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.engine.array_params import in_array, in_array_param
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import former_remote_ids, remote_ids

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
"""The `how` of a link that we did not find: the destination assigned the id."""


@dataclass(frozen=True, slots=True)
class RemoteId:
    """The id that a destination uses for one of our resources.

    `how` states how the link was found.
    """

    local_reference: str  # "Patient/…"
    remote_reference: str  # "Patient/…", there
    how: str  # for people: "one active match", "decided"
    by: str
    at: datetime


class RemoteIds:
    """The ids that destinations use for our resources."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: DestinationId, local_reference: str) -> RemoteId | None:
        """Returns the link of one resource, if known."""
        return self.find_many(destination, [local_reference]).get(local_reference)

    def find_many(self, destination: DestinationId, local_reference: Iterable[str]) -> dict[str, RemoteId]:
        """Returns the known links of these resources."""
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
        """Stores a remote id; it replaces an earlier one."""
        _PUT_ID(
            self._connection,
            [(destination, local_reference, remote_reference, how, by, to_milliseconds(now))],
        )

    def forget_matches(self, local_reference: str) -> list[DestinationId]:
        """Deletes the links found by matching; returns their destinations, which are asked again."""
        found = (remote_ids.c.local_reference == local_reference, remote_ids.c.how != ASSIGNED_BY_SERVER)
        forgotten = sa.delete(remote_ids).where(*found).returning(remote_ids.c.destination)
        return sorted(DestinationId(one) for one in self._connection.execute(forgotten).scalars())

    def find_by_remote(self, destination: DestinationId, remote_references: Iterable[str]) -> list[RemoteId]:
        """Lists the links to these `Type/id` of the destination."""
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
        """Lists the links of people to Patients of the destination, found or decided."""
        query = sa.select(remote_ids).where(
            remote_ids.c.destination == destination,
            remote_ids.c.how != ASSIGNED_BY_SERVER,
            remote_ids.c.local_reference.like("Patient/%"),
        )
        rows = self._connection.execute(query.order_by(remote_ids.c.local_reference))
        return [RemoteId(row.local_reference, row.remote_reference, row.how, row.by, row.at) for row in rows]

    def retire(self, destination: DestinationId, link: RemoteId, *, why: str, now: datetime) -> None:
        """Moves a link to the former ones.

        The resource has no remote id from now on.
        """
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
        """Lists the former remote ids of a resource, oldest first.

        Each with the reason why it was retired.
        """
        c = former_remote_ids.c
        query = sa.select(c.remote_reference, c.retired_reason).where(
            c.destination == destination, c.local_reference == local_reference
        )
        return [
            (remote_reference, why)
            for remote_reference, why in self._connection.execute(query.order_by(c.retired_at))
        ]

    def unlink(self, destination: DestinationId, local_reference: str) -> None:
        """Deletes the remote id of a resource."""
        self._connection.execute(
            sa.delete(remote_ids).where(
                remote_ids.c.destination == destination, remote_ids.c.local_reference == local_reference
            )
        )
