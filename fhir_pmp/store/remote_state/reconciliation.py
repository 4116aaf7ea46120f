"""Lists what each destination should hold, and stores the last reconciliation.

A destination should hold the last sent version of each resource, under its remote id.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.delivery.sent_bytes import restore_sent_bytes
from fhir_pmp.store.delivery.state_writer import StateWriter
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import UtcDateTime, to_milliseconds
from fhir_pmp.store.remote_state.remote_ids import ASSIGNED_BY_SERVER, RemoteId, RemoteIds
from fhir_pmp.store.remote_state.remote_versions import NO_LONGER_THERE
from fhir_pmp.store.tables.delivery import OPEN_STATES, outbox, outbox_lanes, remote_ids, remote_versions
from fhir_pmp.store.tables.published import published, selective_tokens
from fhir_pmp.store.tables.pulling import reconciliations
from fhir_pmp.store.versions.search_query import TokenChoice, TokenFilter
from fhir_pmp.store.versions.search_tokens import has_token, selective_key

_PUT_STARTED = BulkInsert(
    reconciliations,
    "destination",
    "started_at",
    "completed_at",
    "counts",
    on_conflict="ON CONFLICT (destination) DO UPDATE SET started_at = excluded.started_at, "
    "completed_at = excluded.completed_at, counts = excluded.counts",
)


@dataclass(frozen=True, slots=True)
class ExpectedResource:
    """A resource that a destination acknowledged: the newest version sent, and its reference there."""

    type: str
    id: str
    version: int  # our version number
    sent_bytes: bytes
    person: PersonId | None
    etag: str | None  # the destination's, as last known; None if unknown
    held_version: int | None  # our number of the version last known to be there
    remote_reference: str  # `Type/id` there
    is_server_assigned: bool
    is_being_sent: bool  # a delivery of it is unfinished: the remote copy is about to change

    @property
    def reference(self) -> str:
        """Our `Type/id`."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The last reconciliation: when it began and ended, and its counts."""

    started_at: datetime
    completed_at: datetime | None
    counts: Mapping[str, Any]


class ReconciliationRepository:
    """What each destination should hold, and the record of reconciliations."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._states = StateWriter(connection)

    def types(self, destination: DestinationId) -> list[str]:
        """Lists the types of which a version was sent to this destination."""
        query = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(outbox.c.destination == destination, outbox.c.state == DeliveryState.SENT.value)
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def types_held(self, destination: DestinationId) -> list[str]:
        """Lists the types of which the destination is known to hold a resource of ours."""
        acknowledged = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(outbox.c.destination == destination, outbox.c.sent_hash.is_not(None))
        )
        found = sa.select(remote_versions.c.type).where(
            remote_versions.c.destination == destination, remote_versions.c.version != NO_LONGER_THERE
        )
        return sorted(self._connection.execute(acknowledged.union(found)).scalars())

    def types_queued(self, destination: DestinationId) -> list[str]:
        """Lists the types of unfinished deliveries to the destination."""
        query = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(outbox.c.destination == destination, sa.text(OPEN_STATES))
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def ids(self, destination: DestinationId, type: str) -> list[str]:
        """Lists our ids of the resources of a type that this destination has acknowledged."""
        query = (
            sa.select(published.c.id)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(
                outbox.c.destination == destination,
                outbox.c.state == DeliveryState.SENT.value,
                published.c.type == type,
            )
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def expected(
        self, destination: DestinationId, type: str, ids: Iterable[str]
    ) -> dict[str, ExpectedResource]:
        """Returns what the destination should hold of these ids (ours), by id.

        Resources that were never sent are absent.
        """
        found: dict[str, ExpectedResource] = {}
        for chunk in chunked(sorted(set(ids)), 200):
            rows = self._connection.execute(_SENT, {"to": destination, "type": type, "ids": chunk}).all()
            places = self._find_remote_ids(destination, type, chunk)
            is_being_sent = self._find_being_sent(destination, type, chunk)
            for row in {row.id: row for row in rows}.values():  # older versions come first
                if row.state != DeliveryState.SENT.value:
                    continue  # sent again, or a person must look: the earlier version no longer shows what is held
                link = places.get(row.id)
                # A version found there since takes precedence over the acknowledged one.
                etag, held = (
                    (row.etag, row.version)
                    if row.found_version is None
                    else (row.found_etag, row.found_version)
                )
                found[row.id] = ExpectedResource(
                    type=type,
                    id=row.id,
                    version=row.version,
                    sent_bytes=restore_sent_bytes(row.sent_bytes, row.content),
                    person=row.person,
                    etag=None if held == NO_LONGER_THERE else etag,
                    held_version=None if held == NO_LONGER_THERE else held,
                    remote_reference=f"{type}/{row.id}" if link is None else link.remote_reference,
                    is_server_assigned=link is not None and link.how == ASSIGNED_BY_SERVER,
                    is_being_sent=row.id in is_being_sent,
                )
        return found

    def find_local_references(self, destination: DestinationId, places: Iterable[str]) -> dict[str, str]:
        """Maps `Type/id` of the destination to our `Type/id`; those that are not ours are absent."""
        wanted = set(places)
        found = {
            link.remote_reference: link.local_reference
            for link in RemoteIds(self._connection).find_by_remote(destination, wanted)
        }
        left = wanted - set(found)
        for chunk in chunked(sorted({remote_reference.partition("/")[2] for remote_reference in left})):
            query = sa.select(published.c.type, published.c.id).where(
                in_array(published.c.id, chunk), published.c.superseded_at.is_(None)
            )
            for type, id in self._connection.execute(query):
                if (remote_reference := f"{type}/{id}") in left:
                    found[remote_reference] = remote_reference
        return found

    def requeue(
        self, destination: DestinationId, references: Iterable[str], *, why: str, now: datetime
    ) -> list[str]:
        """Makes the last sent version of these `Type/id` pending again; returns the versions requeued.

        The remote copy is read and compared before it is written; the age of the delivery starts again.
        """
        again = []
        for reference in sorted(set(references)):
            type, _, id = reference.partition("/")
            newest = self._connection.execute(
                _NEWEST_SENT, {"to": destination, "type": type, "id": id}
            ).first()
            if newest is None:
                continue
            lane = outbox_lanes.c.destination == destination, outbox_lanes.c.lane == newest.lane
            self._connection.execute(
                sa.update(outbox_lanes)
                .where(*lane)
                .values(due_at=sa.func.coalesce(outbox_lanes.c.due_at, sa.literal(now, UtcDateTime())))
            )
            if self._states.requeue(newest.seq, reason=why, now=now):
                again.append(f"{reference}/_history/{newest.version}")
        return again

    def find_by_identifier(self, type: str, system: str, value: str) -> str | None:
        """Returns the one published `Type/id` with a business identifier.

        None if there is none or several.
        """
        token = TokenFilter("identifier", (TokenChoice(system, value),))
        query = (
            sa.select(published.c.id)
            .join(selective_tokens, selective_tokens.c.seq == published.c.seq)
            .where(
                selective_tokens.c.key == selective_key("identifier", value),
                published.c.type == type,
                published.c.superseded_at.is_(None),
                has_token(token),
            )
        )
        found = list(self._connection.execute(query).scalars())
        return f"{type}/{found[0]}" if len(found) == 1 else None

    def sent_references(self, destination: DestinationId, person: PersonId) -> list[str]:
        """Lists the `Type/id` about a person that this destination has acknowledged."""
        query = (
            sa.select(published.c.type, published.c.id)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(
                outbox.c.destination == destination,
                outbox.c.state == DeliveryState.SENT.value,
                published.c.person == person,
            )
        )
        return sorted({f"{type}/{id}" for type, id in self._connection.execute(query)})

    def begin_reconciliation(self, destination: DestinationId, *, now: datetime) -> None:
        """Records that a reconciliation has begun."""
        _PUT_STARTED(self._connection, [(destination, to_milliseconds(now), None, "{}")])

    def end_reconciliation(
        self, destination: DestinationId, counts: Mapping[str, int], *, now: datetime
    ) -> None:
        """Records that it has ended, with these counts."""
        self._connection.execute(
            sa.update(reconciliations)
            .where(reconciliations.c.destination == destination)
            .values(completed_at=now, counts=json.dumps(counts, sort_keys=True))
        )

    def last_reconciliation(self, destination: DestinationId) -> Reconciliation | None:
        """Returns the reconciliation begun last."""
        query = sa.select(reconciliations).where(reconciliations.c.destination == destination)
        row = self._connection.execute(query).one_or_none()
        return (
            None if row is None else Reconciliation(row.started_at, row.completed_at, json.loads(row.counts))
        )

    def _find_remote_ids(
        self, destination: DestinationId, type: str, ids: Sequence[str]
    ) -> dict[str, RemoteId]:
        query = sa.select(remote_ids).where(
            remote_ids.c.destination == destination,
            in_array(remote_ids.c.local_reference, [f"{type}/{id}" for id in ids]),
        )
        rows = self._connection.execute(query)
        links = [RemoteId(row.local_reference, row.remote_reference, row.how, row.by, row.at) for row in rows]
        return {link.local_reference.partition("/")[2]: link for link in links}

    def _find_being_sent(self, destination: DestinationId, type: str, ids: Sequence[str]) -> set[str]:
        query = (
            sa.select(published.c.id)
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(
                outbox.c.destination == destination,
                sa.text(OPEN_STATES),
                outbox.c.state != DeliveryState.WAITING.value,
                published.c.type == type,
                in_array(published.c.id, ids),
            )
        )
        return set(self._connection.execute(query).scalars())


_SENT = (
    sa.select(
        published.c.id,
        published.c.version,
        published.c.person,
        outbox.c.state,
        outbox.c.sent_bytes,
        published.c.content,
        outbox.c.etag,
        remote_versions.c.etag.label("found_etag"),
        remote_versions.c.version.label("found_version"),
    )
    .select_from(
        sa.join(outbox, published, published.c.seq == outbox.c.published_seq).outerjoin(
            remote_versions,
            sa.and_(
                remote_versions.c.destination == outbox.c.destination,
                remote_versions.c.type == published.c.type,
                remote_versions.c.id == published.c.id,
            ),
        )
    )
    .where(
        outbox.c.destination == sa.bindparam("to"),
        outbox.c.sent_hash.is_not(None),
        published.c.type == sa.bindparam("type"),
        published.c.id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(published.c.version)
)

_NEWEST_SENT = (
    sa.select(outbox.c.seq, outbox.c.lane, published.c.version)
    .select_from(sa.join(outbox, published, published.c.seq == outbox.c.published_seq))
    .where(
        outbox.c.destination == sa.bindparam("to"),
        outbox.c.sent_hash.is_not(None),
        published.c.type == sa.bindparam("type"),
        published.c.id == sa.bindparam("id"),
    )
    .order_by(published.c.version.desc())
    .limit(1)
)
