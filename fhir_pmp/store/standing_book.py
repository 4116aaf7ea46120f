"""What should stand at a destination by our books: what was last sent of each resource, where, and who is linked."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store.among import among
from fhir_pmp.store.batches import BulkInsert, handfuls
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.deliveries import DeliveryState
from fhir_pmp.store.neighbours import NAMED_BY_SERVER, DestinationLink
from fhir_pmp.store.tables.delivery import (
    OPEN_STATES,
    destination_ids,
    former_destination_ids,
    outbox,
    remote_versions,
)
from fhir_pmp.store.tables.published import published
from fhir_pmp.store.tables.pulling import reconciles

_STARTED = BulkInsert(
    reconciles,
    "destination",
    "started_at",
    "completed_at",
    "found",
    otherwise="ON CONFLICT (destination) DO UPDATE SET started_at = excluded.started_at, "
    "completed_at = excluded.completed_at, found = excluded.found",
)
_FORMER = BulkInsert(
    former_destination_ids, "destination", "ours", "theirs", "until", "how", "by", "at", "why"
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
        query = sa.select(remote_versions.c.type).where(remote_versions.c.destination == destination)
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
            for row in rows:  # older versions first
                link = places.get(row.id)
                found[row.id] = Expected(
                    type=type,
                    id=row.id,
                    version=row.version,
                    sent_bytes=row.sent_bytes,
                    person=row.person,
                    etag=row.etag,
                    held_version=row.held,
                    place=f"{type}/{row.id}" if link is None else link.theirs,
                    named_by_server=link is not None and link.how == NAMED_BY_SERVER,
                    unsettled=row.id in unsettled,
                )
        return found

    def ours(self, destination: DestinationId, places: Iterable[str]) -> dict[str, str]:
        """For each of these `Type/id` of the destination that is one of ours: our `Type/id`."""
        wanted = set(places)
        found = {link.theirs: link.ours for link in self.links_to(destination, wanted)}
        left = wanted - set(found)
        for some in handfuls(sorted({place.partition("/")[2] for place in left})):
            query = sa.select(published.c.type, published.c.id).where(
                among(published.c.id, some), published.c.superseded_at.is_(None)
            )
            for type, id in self._connection.execute(query):
                if (place := f"{type}/{id}") in left:
                    found[place] = place
        return found

    def links_to(self, destination: DestinationId, places: Iterable[str]) -> list[DestinationLink]:
        """The links of ours that lead to these `Type/id` of the destination."""
        found: list[DestinationLink] = []
        for some in handfuls(sorted(set(places))):
            query = sa.select(destination_ids).where(
                destination_ids.c.destination == destination, among(destination_ids.c.theirs, some)
            )
            rows = self._connection.execute(query)
            found += [DestinationLink(row.ours, row.theirs, row.how, row.by, row.at) for row in rows]
        return found

    def linked_people(self, destination: DestinationId) -> list[DestinationLink]:
        """The people who were found, or decided, to be a Patient of the destination."""
        query = sa.select(destination_ids).where(
            destination_ids.c.destination == destination,
            destination_ids.c.how != NAMED_BY_SERVER,
            destination_ids.c.ours.like("Patient/%"),
        )
        rows = self._connection.execute(query.order_by(destination_ids.c.ours))
        return [DestinationLink(row.ours, row.theirs, row.how, row.by, row.at) for row in rows]

    def retire_link(
        self, destination: DestinationId, link: DestinationLink, *, why: str, now: datetime
    ) -> None:
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

    def former_links(self, destination: DestinationId, ours: str) -> list[tuple[str, str]]:
        """What one of ours was called before and why it is not any more, oldest first."""
        c = former_destination_ids.c
        query = sa.select(c.theirs, c.why).where(c.destination == destination, c.ours == ours)
        return [(theirs, why) for theirs, why in self._connection.execute(query.order_by(c.until))]

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
        outbox.c.sent_bytes,
        remote_versions.c.etag,
        remote_versions.c.version.label("held"),
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
        outbox.c.state == DeliveryState.SENT.value,
        published.c.type == sa.bindparam("type"),
        published.c.id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(published.c.version)
)
