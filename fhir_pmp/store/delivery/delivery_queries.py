"""Lists, counts, replays, backfills and withholds deliveries, outside of claims."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId, EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.delivery.deliveries import (
    SELECT_DELIVERY,
    Delivery,
    DeliveryState,
    lane_of,
    read_delivery,
)
from fhir_pmp.store.delivery.delivery_checks import DeliveryChecks
from fhir_pmp.store.delivery.outbox import Outbox
from fhir_pmp.store.delivery.sent_bytes import restore_sent_bytes
from fhir_pmp.store.delivery.state_writer import StateWriter
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import UtcDateTime, to_milliseconds
from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.delivery import OPEN_STATES, SENT, outbox, outbox_lanes
from fhir_pmp.store.tables.published import published
from fhir_pmp.store.versions.read_scope import is_shared

_MAKE_LANE_DUE = BulkInsert(
    outbox_lanes,
    "destination",
    "lane",
    "due_at",
    "epoch",
    on_conflict="ON CONFLICT (destination, lane) DO UPDATE SET due_at = excluded.due_at",
)


class DeliveryQueries:
    """Queries and commands on the outbox that need no claim."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._states = StateWriter(connection)

    def get(self, seq: int) -> Delivery:
        """Returns one delivery. Raises NotStored."""
        row = self._connection.execute(SELECT_DELIVERY.where(outbox.c.seq == seq)).one_or_none()
        if row is None:
            raise NotStored("no such delivery", field="delivery")
        return read_delivery(row)

    def sent_bytes(self, seq: int) -> bytes | None:
        """Returns the bytes that this delivery sent; None if it has sent none."""
        query = sa.select(outbox.c.sent_bytes, published.c.content)
        query = query.join_from(outbox, published, published.c.seq == outbox.c.published_seq)
        row = self._connection.execute(
            query.where(outbox.c.seq == seq, outbox.c.sent_hash.is_not(None))
        ).one_or_none()
        return None if row is None else restore_sent_bytes(row.sent_bytes, row.content)

    def list_all(
        self,
        *,
        destination: DestinationId | None = None,
        states: Iterable[DeliveryState] | None = None,
        person: PersonId | None = None,
        reference: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int = 200,
    ) -> Sequence[Delivery]:
        """Lists deliveries in the order they were queued: the next `limit` after a seq."""
        query = SELECT_DELIVERY.order_by(outbox.c.seq).limit(limit)
        if destination is not None:
            query = query.where(outbox.c.destination == destination)
        if states is not None:
            query = query.where(outbox.c.state.in_([state.value for state in states]))
        if person is not None:
            query = query.where(published.c.person == person)
        if reference is not None:
            type, _, id = reference.partition("/")
            query = query.where(published.c.type == type, published.c.id == id)
        if since is not None:
            query = query.where(outbox.c.created_at >= since)
        if until is not None:
            query = query.where(outbox.c.created_at < until)
        if after is not None:
            query = query.where(outbox.c.seq > after)
        return [read_delivery(row) for row in self._connection.execute(query)]

    def find_undelivered(
        self, destination: DestinationId, references: Iterable[str]
    ) -> dict[str, DeliveryState | None]:
        """Returns the `Type/id` never sent there, with the state of the newest delivery, if any."""
        wanted = set(references)
        states: dict[str, set[DeliveryState]] = {reference: set() for reference in wanted}
        newest: dict[str, DeliveryState] = {}
        query = sa.select(published.c.type, published.c.id, outbox.c.state)
        query = query.join_from(outbox, published, published.c.seq == outbox.c.published_seq)
        for chunk in chunked(sorted({reference.partition("/")[2] for reference in wanted})):
            rows = self._connection.execute(
                query.where(in_array(published.c.id, chunk), outbox.c.destination == destination).order_by(
                    outbox.c.seq
                )
            )
            for type, id, state in rows:
                if (reference := f"{type}/{id}") in wanted:
                    states[reference].add(DeliveryState(state))
                    newest[reference] = DeliveryState(state)
        return {ref: newest.get(ref) for ref in wanted if DeliveryState.SENT not in states[ref]}

    def replay(self, seqs: Iterable[int], *, now: datetime) -> int:
        """Makes dead deliveries pending again, as if never tried; returns how many.

        A delivery with a newer version queued stays dead: it would set the destination back.
        """
        replayed = 0
        wanted = set(seqs)
        for chunk in chunked(sorted(wanted - DeliveryChecks(self._connection).find_overtaken(wanted))):
            chosen = sa.and_(in_array(outbox.c.seq, chunk), outbox.c.state == DeliveryState.DEAD.value)
            lanes = sa.select(outbox.c.destination, outbox.c.lane).where(chosen).distinct()
            at = to_milliseconds(now)
            _MAKE_LANE_DUE(
                self._connection,
                [
                    (to, lane, at, 0)
                    for to, lane in sorted(tuple(row) for row in self._connection.execute(lanes))
                ],
            )
            replayed += self._states.replay(chunk, now=now)
        return replayed

    def backfill(self, destination: DestinationId, *, now: datetime, most: int) -> int:
        """Queues current versions that were never queued for this destination.

        Queues at most `most` and returns how many. Only versions that the consent covers. Repeat it, each
        time in a new transaction, until it returns 0.
        """
        already_queued = sa.exists().where(
            outbox.c.published_seq == published.c.seq, outbox.c.destination == destination
        )
        allowed = sa.or_(published.c.sharing != Sharing.RECORD.value, is_shared())
        query = (
            sa.select(published.c.seq, published.c.type, published.c.person)
            .where(published.c.superseded_at.is_(None), sa.not_(already_queued), allowed)
            .order_by(published.c.seq)
            .limit(most)
        )
        new = [(lane_of(type, person), seq) for seq, type, person in self._connection.execute(query)]
        Outbox(self._connection).queue(new, [destination], superseded=(), now=now)
        return len(new)

    def withhold(self, episode: EpisodeId, person: PersonId, *, reason: str) -> int:
        """Withholds every unsent delivery of records the consent no longer covers; returns how many."""
        lanes = sa.select(outbox_lanes.c.lane).where(outbox_lanes.c.lane == person).with_for_update()
        self._connection.execute(lanes)
        no_longer = sa.select(published.c.seq).where(
            published.c.person == person,
            published.c.sharing == Sharing.RECORD.value,
            sa.or_(published.c.episode == episode, published.c.episode.is_(None)),
            sa.not_(is_shared()),
        )
        return self._states.withhold(no_longer, reason=reason)

    def counts(
        self, destination: DestinationId | None = None
    ) -> dict[DestinationId, dict[DeliveryState, int]]:
        """Counts the deliveries of each destination by state."""
        query = sa.select(outbox.c.destination, outbox.c.state, sa.func.count())
        if destination is not None:
            query = query.where(outbox.c.destination == destination)
        found: dict[DestinationId, dict[DeliveryState, int]] = {}
        rows = self._connection.execute(query.group_by(outbox.c.destination, outbox.c.state))
        for name, state, count in rows:
            found.setdefault(DestinationId(name), {})[DeliveryState(state)] = count
        return found

    def sent_by_type(self, destination: DestinationId) -> dict[str, int]:
        """Counts the different resources of each type that this destination has acknowledged."""
        query = (
            sa.select(published.c.type, sa.func.count(sa.distinct(published.c.id)))
            .join(outbox, outbox.c.published_seq == published.c.seq)
            .where(outbox.c.destination == destination, outbox.c.state == DeliveryState.SENT.value)
            .group_by(published.c.type)
            .order_by(published.c.type)
        )
        return dict(self._connection.execute(query).tuples().all())

    def unacknowledged(self, destination: DestinationId, *, before: datetime) -> tuple[int, datetime] | None:
        """Counts deliveries pending or in flight since before a time.

        Returns the count and the oldest time; None if there are none. Time counts from the first attempt,
        else from the due time: a replayed or resumed delivery starts again.
        """
        since = sa.func.coalesce(outbox.c.first_attempt_at, outbox.c.next_attempt_at, type_=UtcDateTime())
        query = sa.select(sa.func.count(), sa.func.min(since, type_=UtcDateTime())).where(
            outbox.c.destination == destination,
            sa.text(OPEN_STATES),
            outbox.c.state != DeliveryState.WAITING.value,
            since <= before,
        )
        count, oldest = self._connection.execute(query).one()
        return (count, oldest) if count else None

    def last_success_at(self, destination: DestinationId) -> datetime | None:
        """When a delivery was last acknowledged; health is judged by its age."""
        return self._connection.execute(
            sa.select(outbox.c.sent_at)
            .where(outbox.c.destination == destination, sa.text(SENT))
            .order_by(outbox.c.sent_at.desc())
            .limit(1)
        ).scalar()

    def oldest_unsent_at(self, destination: DestinationId) -> datetime | None:
        """When the oldest pending or in-flight delivery was queued."""
        return self._connection.execute(
            sa.select(sa.func.min(outbox.c.created_at)).where(
                outbox.c.destination == destination,
                sa.text(OPEN_STATES),
                outbox.c.state != DeliveryState.WAITING.value,
            )
        ).scalar()
