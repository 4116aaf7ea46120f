"""Changes the states of deliveries: the only module that writes `outbox.state`.

Each statement takes the states it applies to and the state it sets from the table in `transitions`. A row in any other
state stays as it is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.delivery.deliveries import (
    ClaimedLane,
    Delivery,
    DeliveryState,
    EndedResult,
    PutBackResult,
    SentResult,
)
from fhir_pmp.store.delivery.transitions import (
    ENDINGS,
    Cause,
    DeliveryEvent,
    TransitionNotListed,
    state_after,
    states_before,
)
from fhir_pmp.store.engine.array_params import in_array, in_array_param
from fhir_pmp.store.engine.bulk import BulkInsert, BulkUpdate, chunked
from fhir_pmp.store.engine.columns import UtcDateTime, to_milliseconds
from fhir_pmp.store.tables.delivery import OPEN_STATES, outbox

_IS_OPEN = sa.text(OPEN_STATES)

_QUEUE = BulkInsert(
    outbox,
    "destination",
    "lane",
    "published_seq",
    "state",
    "attempts",
    "next_attempt_at",
    "lease_epoch",
    "may_have_arrived",
    "created_at",
)


def _update(event: DeliveryEvent, by: Cause) -> sa.Update:
    """The statement of an event; further conditions and values are added to it."""
    before = [state.value for state in states_before(event, by)]
    applies = outbox.c.state == before[0] if len(before) == 1 else outbox.c.state.in_(before)
    return sa.update(outbox).where(applies).values(state=state_after(event).value)


def _bulk_update(events: Sequence[DeliveryEvent], also_set: str, where: str) -> BulkUpdate:
    """The statement of an event for many rows of a claim, each with its own values."""
    (after,) = {state_after(event).value for event in events}
    before = [f"'{state.value}'" for event in events for state in states_before(event, Cause.WORKER)]
    return BulkUpdate(
        f"UPDATE outbox SET state = '{after}', {also_set} WHERE {where} AND state IN ({', '.join(before)})"
    )


_SUPERSEDE = _update(DeliveryEvent.SUPERSEDE, Cause.PUBLISHING)
_OVERTAKE = _update(DeliveryEvent.OVERTAKE, Cause.WORKER).values(
    lease_until=None,
    # A delivery left in flight may have arrived: the claim of the newer version has to know.
    may_have_arrived=sa.or_(outbox.c.may_have_arrived, outbox.c.state == DeliveryState.IN_FLIGHT.value),
)
_CLAIM = (
    _update(DeliveryEvent.CLAIM, Cause.WORKER)
    .where(in_array_param(outbox.c.seq, "seqs"))
    .values(
        lease_epoch=sa.bindparam("epoch"),
        lease_until=sa.bindparam("until", type_=UtcDateTime()),
    )
)
_CLAIM_UNVERIFIED = _bulk_update(
    (DeliveryEvent.CLAIM, DeliveryEvent.RECLAIM),
    "lease_epoch = :epoch, lease_until = :until, may_have_arrived = TRUE, attempts = :attempts",
    "seq = :seq",
)
_OF_CLAIM = "seq = :seq AND lease_epoch = :epoch"
_ACKNOWLEDGE = _bulk_update(
    (DeliveryEvent.ACKNOWLEDGE,),
    "attempts = attempts + 1, may_have_arrived = FALSE, lease_until = NULL, "
    "last_status = :status, reason = NULL, etag = :etag, sent_hash = :sent_hash, sent_bytes = :sent_bytes, "
    "sent_at = :now, first_attempt_at = COALESCE(first_attempt_at, :now)",
    _OF_CLAIM,
)
_PUT_BACK = _bulk_update(
    (DeliveryEvent.PUT_BACK,),
    "attempts = attempts + 1, may_have_arrived = (may_have_arrived OR :may_have_arrived), "
    "lease_until = NULL, last_status = :status, reason = :reason, next_attempt_at = :next_attempt_at, "
    "first_attempt_at = COALESCE(first_attempt_at, :now)",
    _OF_CLAIM,
)
_END = {
    state: _bulk_update(
        (event,),
        "lease_until = NULL, last_status = :status, reason = :reason, attempts = attempts + :tried",
        _OF_CLAIM,
    )
    for state, event in ENDINGS.items()
}
_THIS_LANE = (
    outbox.c.destination == sa.bindparam("to", type_=sa.String()),
    outbox.c.lane == sa.bindparam("of_lane", type_=sa.String()),
    _IS_OPEN,
)
_RELEASE = (
    _update(DeliveryEvent.RELEASE, Cause.WORKER)
    .where(*_THIS_LANE, outbox.c.lease_epoch == sa.bindparam("epoch"))
    .values(lease_until=None)
)
_HOLD = (
    _update(DeliveryEvent.HOLD, Cause.WORKER)
    .where(
        *_THIS_LANE,
        sa.or_(
            outbox.c.state != DeliveryState.IN_FLIGHT.value, outbox.c.lease_epoch == sa.bindparam("epoch")
        ),
    )
    .values(reason=sa.bindparam("why", type_=sa.Text()), lease_until=None)
)
_RESUME = (
    _update(DeliveryEvent.RESUME, Cause.WORKER)
    .where(*_THIS_LANE)
    .values(reason=None, next_attempt_at=sa.bindparam("now", type_=UtcDateTime()))
)
_WITHHOLD = _update(DeliveryEvent.WITHHOLD, Cause.CONSENT)
_REPLAY = _update(DeliveryEvent.REPLAY, Cause.OPERATOR).values(attempts=0, first_attempt_at=None, reason=None)
_RESOLVE = _update(DeliveryEvent.RESOLVE, Cause.WORKER)
_REQUEUE = _update(DeliveryEvent.REQUEUE, Cause.RECONCILIATION).values(
    may_have_arrived=True, attempts=0, first_attempt_at=None
)
_REVERIFY = _update(DeliveryEvent.REVERIFY, Cause.WORKER).values(may_have_arrived=True)


class StateWriter:
    """Applies transitions. The caller locks the lane, checks its epoch and sets its due time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def queue(
        self, deliveries: Sequence[tuple[str, int]], destinations: Sequence[DestinationId], *, now: datetime
    ) -> None:
        """Adds a pending delivery of each version (lane, published.seq) for each destination."""
        at, state = to_milliseconds(now), state_after(DeliveryEvent.QUEUE).value
        _QUEUE(
            self._connection,
            [(to, lane, seq, state, 0, at, 0, False, at) for lane, seq in deliveries for to in destinations],
        )

    def supersede(self, published_seqs: Sequence[int]) -> None:
        """Ends the unsent deliveries of these versions: newer ones were published."""
        for chunk in chunked(published_seqs):
            self._connection.execute(_SUPERSEDE.where(in_array(outbox.c.published_seq, chunk)))

    def overtake(self, seqs: Sequence[int]) -> None:
        """Supersedes deliveries of which the lane holds a newer version."""
        for chunk in chunked(seqs):
            self._connection.execute(_OVERTAKE.where(in_array(outbox.c.seq, chunk)))

    def claim(self, deliveries: Sequence[Delivery], epoch: int, until: datetime) -> None:
        """Leases these deliveries under the epoch; those left in flight are leased anew."""
        # Deliveries that cannot have arrived need no values of their own: one statement leases all.
        for chunk in chunked([d.seq for d in deliveries if not d.may_have_arrived]):
            self._connection.execute(_CLAIM, {"seqs": chunk, "epoch": epoch, "until": until})
        at = to_milliseconds(until)
        _CLAIM_UNVERIFIED(
            self._connection, [(epoch, at, d.attempts, d.seq) for d in deliveries if d.may_have_arrived]
        )

    def acknowledge(self, sent: Sequence[SentResult], epoch: int, *, now: datetime) -> None:
        """Marks deliveries of the claim as sent."""
        at = to_milliseconds(now)
        _ACKNOWLEDGE(
            self._connection,
            [(s.status, s.etag, s.sent_hash, s.sent_bytes, at, at, s.seq, epoch) for s in sent],
        )

    def put_back(self, results: Sequence[PutBackResult], epoch: int, *, now: datetime) -> None:
        """Makes deliveries of the claim pending again, each with its next attempt."""
        at = to_milliseconds(now)
        rows = [
            (b.may_have_arrived, b.status, b.reason, to_milliseconds(b.next_attempt_at), at, b.seq, epoch)
            for b in results
        ]
        _PUT_BACK(self._connection, rows)

    def end(self, ended: Sequence[EndedResult], epoch: int) -> None:
        """Ends deliveries of the claim that are not sent. Raises TransitionNotListed.

        A delivery that was never sent has no status and counts as no attempt.
        """
        for state in dict.fromkeys(result.state for result in ended):
            if state not in _END:
                raise TransitionNotListed(field=state.value)
            _END[state](
                self._connection,
                [
                    (e.status, e.reason, int(e.status is not None), e.seq, epoch)
                    for e in ended
                    if e.state is state
                ],
            )

    def hold(self, claim: ClaimedLane, reason: str) -> None:
        """Makes the lane wait: what was claimed and what is pending behind it."""
        self._connection.execute(_HOLD, {**_lane(claim), "epoch": claim.epoch, "why": reason})

    def release(self, claim: ClaimedLane) -> None:
        """Makes pending again what the claim leaves without an answer."""
        self._connection.execute(_RELEASE, {**_lane(claim), "epoch": claim.epoch})

    def resume(self, destination: DestinationId, lane: str, *, now: datetime) -> int:
        """Makes the waiting deliveries of a lane pending; returns how many."""
        asked = {"to": destination, "of_lane": lane, "now": now}
        return self._connection.execute(_RESUME, asked).rowcount

    def withhold(self, published_seqs: sa.Select[Any], *, reason: str) -> int:
        """Ends the unsent deliveries of the selected versions; returns how many."""
        statement = _WITHHOLD.where(outbox.c.published_seq.in_(published_seqs)).values(reason=reason)
        return self._connection.execute(statement).rowcount

    def replay(self, seqs: Sequence[int], *, now: datetime) -> int:
        """Makes dead deliveries pending, as if never tried; returns how many."""
        statement = _REPLAY.where(in_array(outbox.c.seq, seqs)).values(next_attempt_at=now)
        return self._connection.execute(statement).rowcount

    def resolve(self, seqs: Sequence[int]) -> int:
        """Ends dead deliveries of which a newer version was acknowledged; returns how many."""
        return self._connection.execute(_RESOLVE.where(in_array(outbox.c.seq, seqs))).rowcount

    def requeue(self, seq: int, *, reason: str, now: datetime) -> int:
        """Makes a sent delivery pending, as if never tried.

        The push reads and compares before it writes. Returns 1 if the delivery was sent, else 0.
        """
        statement = _REQUEUE.where(outbox.c.seq == seq).values(next_attempt_at=now, reason=reason)
        return self._connection.execute(statement).rowcount

    def reverify(self, seq: int, *, now: datetime) -> int:
        """Makes a sent delivery pending, to be verified.

        The push reads and compares before it writes. Returns 1 if the delivery was sent, else 0.
        """
        statement = _REVERIFY.where(outbox.c.seq == seq).values(next_attempt_at=now)
        return self._connection.execute(statement).rowcount


def _lane(claim: ClaimedLane) -> dict[str, object]:
    return {"to": claim.destination, "of_lane": claim.lane}
