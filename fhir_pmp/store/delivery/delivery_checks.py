"""Checks that a push makes before and after it sends: consent, renderings, waiting lanes."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.delivery.deliveries import ClaimedLane, Delivery, DeliveryState
from fhir_pmp.store.delivery.sent_bytes import restore_sent_bytes
from fhir_pmp.store.delivery.state_writer import StateWriter
from fhir_pmp.store.engine.array_params import in_array, in_array_param
from fhir_pmp.store.engine.bulk import chunked
from fhir_pmp.store.engine.columns import UtcDateTime
from fhir_pmp.store.tables.delivery import OPEN_STATES, outbox, outbox_lanes
from fhir_pmp.store.tables.people import episodes
from fhir_pmp.store.tables.published import published

MAX_DELAY = timedelta(hours=7)
"""The longest delay of a delivery: Retry-After is obeyed for up to six hours."""
MAX_LEASE = timedelta(hours=1)

_JOINED = sa.join(outbox, published, published.c.seq == outbox.c.published_seq)
_WAITING_IN_LANE = (
    sa.select(outbox.c.seq, published.c.refs)
    .select_from(_JOINED)
    .where(outbox.c.destination == sa.bindparam("to", type_=sa.String()))
    .where(outbox.c.lane == sa.bindparam("of_lane", type_=sa.String()))
    .where(sa.text(OPEN_STATES), outbox.c.state == DeliveryState.WAITING.value)
)
_SHARED_EPISODES = sa.select(episodes.c.person, episodes.c.id).where(
    in_array_param(episodes.c.person, "people"), episodes.c.share_with_ehr, sa.not_(episodes.c.doubtful)
)


class DeliveryChecks:
    """Checks about deliveries, for the worker that holds or held their lane."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._states = StateWriter(connection)

    def find_no_longer_shared(self, deliveries: Iterable[Delivery]) -> set[int]:
        """Returns the seq of the deliveries whose records the person's consent does not cover now.

        The rule is `read_scope.is_shared`: the consent of the record's episode, or of any episode if it has none.
        """
        records = [d for d in deliveries if d.sharing is Sharing.RECORD]
        shared: set[tuple[str | None, str | None]] = set()
        for chunk in chunked(sorted({d.person for d in records if d.person is not None})):
            for person, episode in self._connection.execute(_SHARED_EPISODES, {"people": chunk}):
                shared |= {(person, episode), (person, None)}
        return {d.seq for d in records if (d.person, d.episode) not in shared}

    def list_renderings(
        self, destination: DestinationId, reference: str
    ) -> list[tuple[int, bytes, bytes | None]]:
        """Lists the versions of a resource, newest first: number, published bytes, sent bytes."""
        kind, _, id_ = reference.partition("/")
        query = sa.select(published.c.version, published.c.content, outbox.c.sent_hash, outbox.c.sent_bytes)
        query = query.select_from(
            sa.outerjoin(
                published,
                outbox,
                sa.and_(outbox.c.published_seq == published.c.seq, outbox.c.destination == destination),
            )
        )
        query = query.where(published.c.id == id_, published.c.type == kind)
        rows = self._connection.execute(query.order_by(published.c.version.desc()))
        return [
            (version, content, None if sent is None else restore_sent_bytes(kept, content))
            for version, content, sent, kept in rows
        ]

    def list_waiting_lanes(
        self, destination: DestinationId, referring_to: Collection[str] | None = None
    ) -> list[str]:
        """Lists the lanes with a waiting delivery; with `referring_to`, one that refers to these `Type/id`."""
        query = sa.select(outbox.c.lane, published.c.refs).select_from(_JOINED)
        query = query.where(
            outbox.c.destination == destination,
            sa.text(OPEN_STATES),
            outbox.c.state == DeliveryState.WAITING.value,
        )
        wanted = None if referring_to is None else set(referring_to)
        rows = self._connection.execute(query).all()
        return sorted({lane for lane, refs in rows if wanted is None or not wanted.isdisjoint(refs.split())})

    def had_waiting(self, claim: ClaimedLane, referring_to: Collection[str]) -> bool:
        """Whether the claimed lane holds a waiting delivery that refers to these `Type/id`.

        One reference to any of them is enough. Deliveries of the claim do not count: they were
        not waiting when the lane was claimed.
        """
        asked = {"to": claim.destination, "of_lane": claim.lane}
        claimed = {delivery.seq for delivery in claim.deliveries}
        rows = [
            refs
            for seq, refs in self._connection.execute(_WAITING_IN_LANE, asked).all()
            if seq not in claimed
        ]
        return any(not set(refs.split()).isdisjoint(referring_to) for refs in rows)

    def find_overtaken(self, seqs: Collection[int]) -> set[int]:
        """Returns the deliveries of which a newer version was queued for the same destination."""
        newer, other = published.alias("newer"), outbox.alias("other")
        exists = (
            sa.exists()
            .where(newer.c.id == published.c.id, newer.c.type == published.c.type)
            .where(newer.c.version > published.c.version, other.c.published_seq == newer.c.seq)
            .where(other.c.destination == outbox.c.destination)
        )
        found: set[int] = set()
        for chunk in chunked(sorted(seqs)):
            query = sa.select(outbox.c.seq).select_from(_JOINED).where(in_array(outbox.c.seq, chunk), exists)
            found.update(self._connection.execute(query).scalars())
        return found

    def supersede_dead(self, destination: DestinationId, references: Iterable[str]) -> int:
        """Supersedes dead deliveries of these `Type/id` that have a newer version; returns how many."""
        ended = 0
        for reference in sorted(set(references)):
            kind, _, id_ = reference.partition("/")
            query = sa.select(outbox.c.seq).select_from(_JOINED)
            query = query.where(published.c.type == kind, published.c.id == id_)
            query = query.where(outbox.c.destination == destination)
            dead = query.where(outbox.c.state == DeliveryState.DEAD.value)
            overtaken = self.find_overtaken(list(self._connection.execute(dead).scalars()))
            if overtaken:
                ended += self._states.resolve(sorted(overtaken))
        return ended

    def has_due_lane(self, destination: DestinationId, *, now: datetime) -> bool:
        """Whether a lane may be claimed now; asks without the lock that a claim takes."""
        c = outbox_lanes.c
        free = sa.or_(c.lease_until.is_(None), c.lease_until <= now)
        query = sa.select(sa.true()).where(c.destination == destination, c.due_at <= now, free).limit(1)
        return self._connection.execute(query).first() is not None

    def reset_times_ahead_of_clock(self, destination: DestinationId, *, now: datetime) -> int:
        """Ends leases and delays that only a fast clock can have set.

        Returns how many lanes. A worker that still holds such a lease is fenced by its epoch, as after an
        expired lease.
        """
        at, c = sa.literal(now, UtcDateTime()), outbox_lanes.c
        wrong = sa.or_(c.due_at > now + MAX_DELAY, c.lease_until > now + MAX_LEASE)
        lanes = sa.select(c.lane).where(c.destination == destination, wrong).order_by(c.lane)
        freed = list(self._connection.execute(lanes.with_for_update()).scalars())
        for chunk in chunked(freed):
            self._connection.execute(
                sa.update(outbox)
                .where(outbox.c.destination == destination, in_array(outbox.c.lane, chunk))
                .where(sa.text(OPEN_STATES), outbox.c.next_attempt_at > now + MAX_DELAY)
                .values(next_attempt_at=at)
            )
            self._connection.execute(
                sa.update(outbox_lanes)
                .where(c.destination == destination, in_array(c.lane, chunk))
                .values(due_at=at, lease_until=None)
            )
        return len(freed)

    def mark_unverified(self, destination: DestinationId, references: Iterable[str], *, now: datetime) -> int:
        """Makes the last sent version of these `Type/id` pending, to be verified; returns how many.

        For a worker that wrote after it had lost its lease: it may have overwritten a newer version.
        """
        reopened = 0
        for reference in sorted(set(references)):
            kind, _, id_ = reference.partition("/")
            newest = self._connection.execute(
                sa.select(outbox.c.seq, outbox.c.lane)
                .select_from(_JOINED)
                .where(
                    outbox.c.destination == destination,
                    published.c.type == kind,
                    published.c.id == id_,
                    outbox.c.state == DeliveryState.SENT.value,
                )
                .order_by(published.c.version.desc())
                .limit(1)
            ).one_or_none()
            if newest is not None:
                reopened += self._make_pending(destination, newest.lane, newest.seq, now)
        return reopened

    def _make_pending(self, destination: DestinationId, lane: str, seq: int, now: datetime) -> int:
        due = sa.func.coalesce(outbox_lanes.c.due_at, sa.literal(now, UtcDateTime()))
        self._connection.execute(
            sa.update(outbox_lanes)
            .where(outbox_lanes.c.destination == destination, outbox_lanes.c.lane == lane)
            .values(due_at=due)
        )
        return self._states.reverify(seq, now=now)
