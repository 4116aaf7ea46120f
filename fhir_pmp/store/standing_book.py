"""What should stand at a destination by our books: what was last sent of each resource, where, and who is linked."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store.among import among
from fhir_pmp.store.as_sent import as_sent
from fhir_pmp.store.batches import BulkInsert, handfuls
from fhir_pmp.store.columns import Moment, milliseconds
from fhir_pmp.store.deliveries import DeliveryState
from fhir_pmp.store.neighbours import NAMED_BY_SERVER, DestinationIds, DestinationLink
from fhir_pmp.store.remote_versions import GONE
from fhir_pmp.store.searches import TokenChoice, TokenFilter
from fhir_pmp.store.tables.delivery import (
    OPEN_STATES,
    destination_ids,
    outbox,
    outbox_lanes,
    remote_versions,
)
from fhir_pmp.store.tables.published import published, selective_tokens
from fhir_pmp.store.tables.pulling import reconciles
from fhir_pmp.store.tokens import bears, selective_key

_STARTED = BulkInsert(
    reconciles,
    "destination",
    "started_at",
    "completed_at",
    "found",
    otherwise="ON CONFLICT (destination) DO UPDATE SET started_at = excluded.started_at, "
    "completed_at = excluded.completed_at, found = excluded.found",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """A resource of ours that a destination has acknowledged: the newest version sent, and where it stands there."""

    type: str
    id: str
    version: int  # ours
    sent_bytes: bytes
    person: PersonId | None
    etag: str | None  # theirs, as last known; None also where nothing is remembered of what it holds
    held_version: int | None  # ours, as last known to stand there
    place: str  # `Type/id` there
    named_by_server: bool
    unsettled: bool  # a delivery of it is under way: what stands there is about to change

    @property
    def reference(self) -> str:
        """`Type/id`, ours."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Reconcile:
    """When both sides were last compared, and what came of it."""

    started_at: datetime
    completed_at: datetime | None
    found: Mapping[str, Any]


class StandingBook:
    """What should stand at each destination."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def types(self, destination: DestinationId) -> list[str]:
        """The types of which anything was ever queued for this destination and sent."""
        query = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(outbox.c.destination == destination, outbox.c.state == DeliveryState.SENT.value)
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def types_held(self, destination: DestinationId) -> list[str]:
        """The types of which the destination is known to hold something of ours."""
        acknowledged = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(outbox.c.destination == destination, outbox.c.sent_hash.is_not(None))
        )
        found = sa.select(remote_versions.c.type).where(
            remote_versions.c.destination == destination, remote_versions.c.version != GONE
        )
        return sorted(self._connection.execute(acknowledged.union(found)).scalars())

    def types_queued(self, destination: DestinationId) -> list[str]:
        """The types of which something is still to be sent there."""
        query = (
            sa.select(published.c.type)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(outbox.c.destination == destination, sa.text(OPEN_STATES))
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def ids(self, destination: DestinationId, type: str) -> list[str]:
        """The ids (ours) of everything of a type that this destination has acknowledged."""
        query = (
            sa.select(published.c.id)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(
                outbox.c.destination == destination,
                outbox.c.state == DeliveryState.SENT.value,
                published.c.type == type,
            )
        )
        return sorted(self._connection.execute(query.distinct()).scalars())

    def expected(self, destination: DestinationId, type: str, ids: Iterable[str]) -> dict[str, Expected]:
        """What should stand there of these ids (ours), by id. What was never sent there is absent."""
        found: dict[str, Expected] = {}
        for some in handfuls(sorted(set(ids)), 200):
            rows = self._connection.execute(_SENT, {"to": destination, "type": type, "ids": some}).all()
            places = self._places(destination, type, some)
            unsettled = self._unsettled(destination, type, some)
            for row in {row.id: row for row in rows}.values():  # older versions come first
                if row.state != DeliveryState.SENT.value:
                    continue  # it is being sent again, or a person has to look: what was sent before is no measure
                link = places.get(row.id)
                # What was found there since counts more than what was acknowledged.
                etag, held = (row.etag, row.version) if row.found is None else (row.found_etag, row.found)
                found[row.id] = Expected(
                    type=type,
                    id=row.id,
                    version=row.version,
                    sent_bytes=as_sent(row.sent_bytes, row.content),
                    person=row.person,
                    etag=None if held == GONE else etag,
                    held_version=None if held == GONE else held,
                    place=f"{type}/{row.id}" if link is None else link.theirs,
                    named_by_server=link is not None and link.how == NAMED_BY_SERVER,
                    unsettled=row.id in unsettled,
                )
        return found

    def ours(self, destination: DestinationId, places: Iterable[str]) -> dict[str, str]:
        """For each of these `Type/id` of the destination that is one of ours: our `Type/id`."""
        wanted = set(places)
        found = {
            link.theirs: link.ours
            for link in DestinationIds(self._connection).leading_to(destination, wanted)
        }
        left = wanted - set(found)
        for some in handfuls(sorted({place.partition("/")[2] for place in left})):
            query = sa.select(published.c.type, published.c.id).where(
                among(published.c.id, some), published.c.superseded_at.is_(None)
            )
            for type, id in self._connection.execute(query):
                if (place := f"{type}/{id}") in left:
                    found[place] = place
        return found

    def send_again(
        self, destination: DestinationId, references: Iterable[str], *, why: str, now: datetime
    ) -> list[str]:
        """Makes what was last sent of these `Type/id` pending again; those of them that it was true of.

        It is read and compared before it is written, as what may have arrived is, and begins to age anew.
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
                .values(due_at=sa.func.coalesce(outbox_lanes.c.due_at, sa.literal(now, Moment())))
            )
            changed = self._connection.execute(
                sa.update(outbox)
                .where(outbox.c.seq == newest.seq, outbox.c.state == DeliveryState.SENT.value)
                .values(
                    state=DeliveryState.PENDING.value, unknown=True, attempts=0, tried_at=None, next_at=now,
                    reason=why,
                )
            )  # fmt: skip
            if changed.rowcount:
                again.append(f"{reference}/_history/{newest.version}")
        return again

    def known_by(self, type: str, system: str, value: str) -> str | None:
        """The `Type/id` of what we published under a business identifier; None where it is nobody's, or several are."""
        token = TokenFilter("identifier", (TokenChoice(system, value),))
        query = (
            sa.select(published.c.id)
            .join(selective_tokens, selective_tokens.c.seq == published.c.seq)
            .where(
                selective_tokens.c.key == selective_key("identifier", value),
                published.c.type == type,
                published.c.superseded_at.is_(None),
                bears(token),
            )
        )
        found = list(self._connection.execute(query).scalars())
        return f"{type}/{found[0]}" if len(found) == 1 else None

    def sent_references(self, destination: DestinationId, person: PersonId) -> list[str]:
        """Every `Type/id` about a person that this destination has acknowledged."""
        query = (
            sa.select(published.c.type, published.c.id)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(
                outbox.c.destination == destination,
                outbox.c.state == DeliveryState.SENT.value,
                published.c.person == person,
            )
        )
        return sorted({f"{type}/{id}" for type, id in self._connection.execute(query)})

    def begin_reconcile(self, destination: DestinationId, *, now: datetime) -> None:
        """A comparison of both sides has begun."""
        _STARTED(self._connection, [(destination, milliseconds(now), None, "{}")])

    def end_reconcile(self, destination: DestinationId, found: Mapping[str, int], *, now: datetime) -> None:
        """It has come to its end, with these findings."""
        self._connection.execute(
            sa.update(reconciles)
            .where(reconciles.c.destination == destination)
            .values(completed_at=now, found=json.dumps(found, sort_keys=True))
        )

    def last_reconcile(self, destination: DestinationId) -> Reconcile | None:
        """The last comparison that was begun."""
        query = sa.select(reconciles).where(reconciles.c.destination == destination)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Reconcile(row.started_at, row.completed_at, json.loads(row.found))

    def _places(
        self, destination: DestinationId, type: str, ids: Sequence[str]
    ) -> dict[str, DestinationLink]:
        query = sa.select(destination_ids).where(
            destination_ids.c.destination == destination,
            among(destination_ids.c.ours, [f"{type}/{id}" for id in ids]),
        )
        rows = self._connection.execute(query)
        links = [DestinationLink(row.ours, row.theirs, row.how, row.by, row.at) for row in rows]
        return {link.ours.partition("/")[2]: link for link in links}

    def _unsettled(self, destination: DestinationId, type: str, ids: Sequence[str]) -> set[str]:
        query = (
            sa.select(published.c.id)
            .join(outbox, outbox.c.published == published.c.seq)
            .where(
                outbox.c.destination == destination,
                sa.text(OPEN_STATES),
                outbox.c.state != DeliveryState.WAITING.value,
                published.c.type == type,
                among(published.c.id, ids),
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
        remote_versions.c.version.label("found"),
    )
    .select_from(
        sa.join(outbox, published, published.c.seq == outbox.c.published).outerjoin(
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
    .select_from(sa.join(outbox, published, published.c.seq == outbox.c.published))
    .where(
        outbox.c.destination == sa.bindparam("to"),
        outbox.c.sent_hash.is_not(None),
        published.c.type == sa.bindparam("type"),
        published.c.id == sa.bindparam("id"),
    )
    .order_by(published.c.version.desc())
    .limit(1)
)
