"""Queues deliveries, leases their lanes in order, and records each result once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec.structs import replace

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.delivery.claim_statements import (
    CLAIMABLE,
    DUE_LANES,
    EXTEND_LEASE,
    LANE_IS_BUSY,
    LEASE_LANE,
    LOCK_LANE,
    MAY_HAVE_ARRIVED,
    RELEASE_LANE,
    SET_LANE_DUE,
    THIS_LANE_IF_DUE,
)
from fhir_pmp.store.delivery.deliveries import (
    DEFINITIONS_LANE,
    ClaimedLane,
    Delivery,
    DeliveryState,
    EndedResult,
    LeaseLost,
    PutBackResult,
    SentResult,
    read_delivery,
)
from fhir_pmp.store.delivery.state_writer import StateWriter
from fhir_pmp.store.engine.bulk import BulkInsert
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.delivery import outbox_lanes

_MAKE_LANE_DUE = BulkInsert(
    outbox_lanes,
    "destination",
    "lane",
    "due_at",
    "epoch",
    # A lane that backs off keeps its due time: later deliveries wait behind the earlier ones.
    on_conflict="ON CONFLICT (destination, lane) DO UPDATE SET due_at = COALESCE(outbox_lanes.due_at, excluded.due_at)",
)


class Outbox:
    """The outbox: queues and claims deliveries, and stores their results.

    Results of a claim are stored only while its epoch is the newest of the lane.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._states = StateWriter(connection)

    def queue(
        self,
        deliveries: Sequence[tuple[str, int]],
        destinations: Sequence[DestinationId],
        *,
        superseded: Sequence[int],
        now: datetime,
    ) -> None:
        """Queues versions (lane, published.seq) for every destination and supersedes older unsent ones."""
        at = to_milliseconds(now)
        lanes = sorted({lane for lane, _ in deliveries})
        # Lanes first, here as in a claim: transactions that lock in one order cannot deadlock.
        _MAKE_LANE_DUE(self._connection, [(to, lane, at, 0) for to in sorted(destinations) for lane in lanes])
        self._states.supersede(superseded)
        self._states.queue(deliveries, destinations, now=now)

    def claim_due(
        self,
        destination: DestinationId,
        *,
        now: datetime,
        lease: timedelta,
        lanes: int,
        per_lane: int,
        only_lane: str | None = None,
    ) -> list[ClaimedLane]:
        """Claims up to `lanes` due lanes until now + lease.

        A claim holds the first `per_lane` due deliveries of its lane, and the deliveries that those refer to.
        While the definitions lane is due or claimed, no other lane is claimed. A delivery left in flight by
        an expired claim comes again with `may_have_arrived`. Older versions are superseded by newer ones.
        """
        claimed = []
        until = now + lease
        for lane, epoch in self._claim_lanes(destination, now, until, lanes, only_lane):
            deliveries = _with_referenced(self._due_deliveries(destination, lane, now), per_lane)
            if not deliveries:
                self._release_lane(destination, lane)
                continue
            self._states.claim(deliveries, epoch + 1, until)
            claimed.append(ClaimedLane(destination, lane, epoch + 1, until, tuple(deliveries)))
        return claimed

    def acknowledge(
        self, claim: ClaimedLane, sent: Sequence[SentResult], *, now: datetime, last: bool = False
    ) -> None:
        """Records that these deliveries were acknowledged. Raises LeaseLost.

        `last`: the claim holds no other unrecorded delivery, and the lane is released too.
        """
        self._require_current_epoch(claim)
        self._states.acknowledge(sent, claim.epoch, now=now)
        if last:
            self._release_lane(claim.destination, claim.lane)

    def put_back(self, claim: ClaimedLane, results: Sequence[PutBackResult], *, now: datetime) -> None:
        """Records that these deliveries are sent again later with the same bytes. Raises LeaseLost."""
        self._require_current_epoch(claim)
        self._states.put_back(results, claim.epoch, now=now)

    def end(self, claim: ClaimedLane, ended: Sequence[EndedResult]) -> None:
        """Records that these deliveries are not sent, each with its state.

        Raises LeaseLost, TransitionNotListed. A dead delivery needs a work item in the same transaction.
        """
        self._require_current_epoch(claim)
        self._states.end(ended, claim.epoch)

    def hold(self, claim: ClaimedLane, reason: str) -> None:
        """Makes the whole lane wait, claimed and later deliveries; they do not age. Raises LeaseLost."""
        self._require_current_epoch(claim)
        self._states.hold(claim, reason)

    def release(self, claim: ClaimedLane) -> None:
        """Releases the lane; deliveries without a result are pending again. Raises LeaseLost."""
        self._require_current_epoch(claim)
        self._states.release(claim)
        self._release_lane(claim.destination, claim.lane)

    def extend(self, claim: ClaimedLane, lease_until: datetime) -> None:
        """Extends the lease of the lane. Raises LeaseLost."""
        self._require_current_epoch(claim)
        parameters = {"to": claim.destination, "of_lane": claim.lane, "until": lease_until}
        self._connection.execute(EXTEND_LEASE, parameters)

    def resume(self, destination: DestinationId, lane: str, *, now: datetime) -> int:
        """Makes the waiting deliveries of a lane pending, in their order; returns how many."""
        self._lock_lane(destination, lane)
        resumed = self._states.resume(destination, lane, now=now)
        if resumed:  # a lease on the lane stays as it is
            self._connection.execute(SET_LANE_DUE, {"to": destination, "of_lane": lane})
        return resumed

    def _claim_lanes(
        self, destination: DestinationId, now: datetime, until: datetime, most: int, only_lane: str | None
    ) -> list[tuple[str, int]]:
        parameters: dict[str, object] = {"to": destination, "now": now, "most": most}
        if only_lane is None and self._definitions_are_busy(destination, now):
            only_lane = DEFINITIONS_LANE
        query = DUE_LANES if only_lane is None else THIS_LANE_IF_DUE
        if only_lane is not None:
            parameters["of_lane"] = only_lane
        claimed_lanes = [(lane, epoch) for lane, epoch in self._connection.execute(query, parameters)]
        for lane, epoch in claimed_lanes:
            leased = {"to": destination, "of_lane": lane, "until": until, "next": epoch + 1}
            self._connection.execute(LEASE_LANE, leased)
        return claimed_lanes

    def _definitions_are_busy(self, destination: DestinationId, now: datetime) -> bool:
        parameters = {"to": destination, "of_lane": DEFINITIONS_LANE, "now": now}
        return self._connection.execute(LANE_IS_BUSY, parameters).first() is not None

    def _due_deliveries(self, destination: DestinationId, lane: str, now: datetime) -> list[Delivery]:
        """Returns the due deliveries of a lane in order and supersedes those with a newer version."""
        parameters = {"to": destination, "of_lane": lane}
        rows = [read_delivery(row) for row in self._connection.execute(CLAIMABLE, parameters).all()]
        newest = {row.reference: row.seq for row in rows}
        self._states.overtake([row.seq for row in rows if newest[row.reference] != row.seq])
        unverified = {f"{kind}/{id_}" for kind, id_ in self._connection.execute(MAY_HAVE_ARRIVED, parameters)}
        unverified |= {r.reference for r in rows if r.may_have_arrived or r.state is DeliveryState.IN_FLIGHT}
        due = []
        for row in rows:
            if newest[row.reference] != row.seq:
                continue
            if row.state is DeliveryState.PENDING and row.next_attempt_at > now:
                break
            left_in_flight = row.state is DeliveryState.IN_FLIGHT
            due.append(
                replace(
                    row,
                    state=DeliveryState.IN_FLIGHT,
                    may_have_arrived=row.reference in unverified,
                    attempts=row.attempts + left_in_flight,
                    # A delivery left in flight may have been sent after its reason was recorded.
                    reason=None if left_in_flight else row.reason,
                )
            )
        return due

    def _require_current_epoch(self, claim: ClaimedLane) -> None:
        if self._lock_lane(claim.destination, claim.lane) != claim.epoch:
            raise LeaseLost(field="delivery")

    def _lock_lane(self, destination: DestinationId, lane: str) -> int | None:
        found: int | None = self._connection.execute(LOCK_LANE, {"to": destination, "of_lane": lane}).scalar()
        return found

    def _release_lane(self, destination: DestinationId, lane: str) -> None:
        """Ends the lease; the lane is due when its first delivery that does not wait is due."""
        self._connection.execute(RELEASE_LANE, {"to": destination, "of_lane": lane})


def _with_referenced(due: Sequence[Delivery], most: int) -> list[Delivery]:
    """Returns the first `most` deliveries and those they refer to, without which they would wait forever."""
    by_reference = {delivery.reference: delivery for delivery in due}
    claimed_lanes: set[str] = set()
    more = [delivery.reference for delivery in due[:most]]
    while more:
        reference = more.pop()
        if reference in by_reference and reference not in claimed_lanes:
            claimed_lanes.add(reference)
            more += by_reference[reference].refs
    return [delivery for delivery in due if delivery.reference in claimed_lanes]
