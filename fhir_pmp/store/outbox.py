"""The outbox: lanes are claimed under a lease, in order, and what became of each delivery is kept, once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec.structs import replace

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.among import among
from fhir_pmp.store.batches import BulkInsert, BulkUpdate, handfuls
from fhir_pmp.store.columns import milliseconds
from fhir_pmp.store.deliveries import (
    DEFINITIONS_LANE,
    ClaimedLane,
    Delivery,
    DeliveryState,
    Ended,
    LeaseLost,
    PutBack,
    Sent,
    delivery_of,
)
from fhir_pmp.store.lane_statements import (
    BUSY,
    DUE_LANES,
    EXTEND,
    GOING,
    LEASE_ALL,
    LEASE_LANE,
    LOCK,
    MAYBE_THERE,
    OPEN,
    RELEASE,
    REST,
    SET_DUE,
    THIS_IF_DUE,
)
from fhir_pmp.store.outbox_answers import (
    ENDED,
    LEASE_IN_DOUBT,
    PUT_BACK,
    SENT,
    Rows,
    ended_rows,
    put_back_rows,
    sent_rows,
)
from fhir_pmp.store.tables.delivery import outbox, outbox_lanes

_ADD = BulkInsert(
    outbox,
    "destination",
    "lane",
    "published",
    "state",
    "attempts",
    "next_at",
    "lease_epoch",
    "unknown",
    "created_at",
)
_DUE = BulkInsert(
    outbox_lanes,
    "destination",
    "lane",
    "due_at",
    "epoch",
    # A lane that backs off keeps its time: what comes later waits behind what is there.
    otherwise="ON CONFLICT (destination, lane) DO UPDATE SET due_at = COALESCE(outbox_lanes.due_at, excluded.due_at)",
)


class Outbox:
    """What is to be sent. A claim's answers count only while its epoch is the lane's newest."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def queue(
        self,
        deliveries: Sequence[tuple[str, int]],
        destinations: Sequence[DestinationId],
        *,
        superseded: Sequence[int],
        now: datetime,
    ) -> None:
        """Queues versions (lane, published.seq) for every destination; older unsent ones give way to them."""
        at = milliseconds(now)
        lanes = sorted({lane for lane, _ in deliveries})
        # Lanes first, here as in a claim: two who lock in one order never wait for each other in a ring.
        _DUE(self._connection, [(to, lane, at, 0) for to in sorted(destinations) for lane in lanes])
        for some in handfuls(superseded):
            self._connection.execute(
                sa.update(outbox)
                .where(among(outbox.c.published, some), outbox.c.state.in_(["pending", "waiting"]))
                .values(state=DeliveryState.SUPERSEDED.value)
            )
        _ADD(
            self._connection,
            [
                (to, lane, seq, "pending", 0, at, 0, False, at)
                for lane, seq in deliveries
                for to in destinations
            ],
        )

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
        """Takes up to `lanes` due lanes, until now + lease: of each the first `per_lane` due, and what those refer to.

        While the definitions lane has something due, or is claimed, it is the only one given out. What an earlier
        claim left in flight when its lease ended comes again as unknown. Older versions give way to newer ones.
        """
        claimed = []
        until = now + lease
        for lane, epoch in self._take(destination, now, until, lanes, only_lane):
            deliveries = _with_targets(self._due_in(destination, lane, now), per_lane)
            if not deliveries:
                self._rest(destination, lane)
                continue
            self._lease(deliveries, epoch + 1, until)
            claimed.append(ClaimedLane(destination, lane, epoch + 1, until, tuple(deliveries)))
        return claimed

    def settle(self, claim: ClaimedLane, sent: Sequence[Sent], *, now: datetime, last: bool = False) -> None:
        """Keeps that these were taken. Raises LeaseLost.

        `last`: nothing else of the claim is left to be answered for, and the lane is given back with it.
        """
        self._answer(claim, SENT, sent_rows(sent, now, claim.epoch))
        if last:
            self._rest(claim.destination, claim.lane)

    def put_back(self, claim: ClaimedLane, back: Sequence[PutBack], *, now: datetime) -> None:
        """Keeps that these are tried again, the same bytes, later. Raises LeaseLost."""
        self._answer(claim, PUT_BACK, put_back_rows(back, now, claim.epoch))

    def end(self, claim: ClaimedLane, ended: Sequence[Ended]) -> None:
        """Keeps that these are not sent: dead, superseded, not wanted, withheld. Raises LeaseLost.

        A dead one needs a work item in the same transaction.
        """
        self._answer(claim, ENDED, ended_rows(ended, claim.epoch))

    def park(self, claim: ClaimedLane, reason: str) -> None:
        """Lets the whole lane wait, what was claimed and what stands behind it: no attempts, no age. Raises LeaseLost."""
        self._hold(claim)
        self._connection.execute(
            sa.update(outbox)
            .where(
                outbox.c.destination == claim.destination,
                outbox.c.lane == claim.lane,
                OPEN,
                sa.or_(
                    outbox.c.state == "pending",
                    sa.and_(outbox.c.state == "in_flight", outbox.c.lease_epoch == claim.epoch),
                ),
            )
            .values(state=DeliveryState.WAITING.value, reason=reason, lease_until=None)
        )

    def release(self, claim: ClaimedLane) -> None:
        """Gives the lane back; what was not answered for is pending as before. Raises LeaseLost."""
        self._hold(claim)
        of_claim = {"to": claim.destination, "of_lane": claim.lane, "epoch": claim.epoch}
        self._connection.execute(RELEASE, of_claim)
        self._rest(claim.destination, claim.lane)

    def extend(self, claim: ClaimedLane, lease_until: datetime) -> None:
        """Keeps the lane longer. Raises LeaseLost."""
        self._hold(claim)
        asked = {"to": claim.destination, "of_lane": claim.lane, "until": lease_until}
        self._connection.execute(EXTEND, asked)

    def resume(self, destination: DestinationId, lane: str, *, now: datetime) -> int:
        """Lets a waiting lane go on, in its order; how many deliveries that are."""
        self._lock(destination, lane)
        resumed = self._connection.execute(
            sa.update(outbox)
            .where(
                outbox.c.destination == destination,
                outbox.c.lane == lane,
                OPEN,
                outbox.c.state == DeliveryState.WAITING.value,
            )
            .values(state=DeliveryState.PENDING.value, reason=None, next_at=now)
        )
        if resumed.rowcount:  # whoever holds the lane goes on holding it
            self._connection.execute(SET_DUE, {"to": destination, "of_lane": lane})
        return resumed.rowcount

    def _take(
        self, destination: DestinationId, now: datetime, until: datetime, most: int, only_lane: str | None
    ) -> list[tuple[str, int]]:
        asked: dict[str, object] = {"to": destination, "now": now, "most": most}
        if only_lane is None and self._definitions_go_first(destination, now):
            only_lane = DEFINITIONS_LANE
        query = DUE_LANES if only_lane is None else THIS_IF_DUE
        if only_lane is not None:
            asked["of_lane"] = only_lane
        taken = [(lane, epoch) for lane, epoch in self._connection.execute(query, asked)]
        for lane, epoch in taken:
            leased = {"to": destination, "of_lane": lane, "until": until, "next": epoch + 1}
            self._connection.execute(LEASE_LANE, leased)
        return taken

    def _definitions_go_first(self, destination: DestinationId, now: datetime) -> bool:
        asked = {"to": destination, "of_lane": DEFINITIONS_LANE, "now": now}
        return self._connection.execute(BUSY, asked).first() is not None

    def _due_in(self, destination: DestinationId, lane: str, now: datetime) -> list[Delivery]:
        """The lane's deliveries in order, up to the first that is not due; what a newer version overtook is ended."""
        asked = {"to": destination, "of_lane": lane}
        rows = [delivery_of(row) for row in self._connection.execute(GOING, asked).all()]
        newest = {row.reference: row.seq for row in rows}
        self._overtake([row.seq for row in rows if newest[row.reference] != row.seq])
        maybe_there = {f"{kind}/{id_}" for kind, id_ in self._connection.execute(MAYBE_THERE, asked)}
        maybe_there |= {r.reference for r in rows if r.unknown or r.state is DeliveryState.IN_FLIGHT}
        due = []
        for row in rows:
            if newest[row.reference] != row.seq:
                continue
            if row.state is DeliveryState.PENDING and row.next_at > now:
                break
            left_in_flight = row.state is DeliveryState.IN_FLIGHT
            due.append(
                replace(
                    row,
                    state=DeliveryState.IN_FLIGHT,
                    unknown=row.reference in maybe_there,
                    attempts=row.attempts + left_in_flight,
                    # What an earlier claim left in flight may have been sent since its reason was written down.
                    reason=None if left_in_flight else row.reason,
                )
            )
        return due

    def _overtake(self, seqs: Sequence[int]) -> None:
        # What was left in flight may have arrived: whoever claims the newer version, now or later, has to know.
        maybe_there = sa.or_(outbox.c.unknown, outbox.c.state == DeliveryState.IN_FLIGHT.value)
        for some in handfuls(seqs):
            self._connection.execute(
                sa.update(outbox)
                .where(among(outbox.c.seq, some))
                .values(state=DeliveryState.SUPERSEDED.value, lease_until=None, unknown=maybe_there)
            )

    def _lease(self, deliveries: Sequence[Delivery], epoch: int, until: datetime) -> None:
        # Where nothing is in doubt nothing else changes, and one statement does for all.
        for some in handfuls([d.seq for d in deliveries if not d.unknown]):
            self._connection.execute(LEASE_ALL, {"seqs": some, "epoch": epoch, "until": until})
        at = milliseconds(until)
        LEASE_IN_DOUBT(self._connection, [(epoch, at, d.attempts, d.seq) for d in deliveries if d.unknown])

    def _answer(self, claim: ClaimedLane, statement: BulkUpdate, rows: Rows) -> None:
        self._hold(claim)
        statement(self._connection, rows)

    def _hold(self, claim: ClaimedLane) -> None:
        if self._lock(claim.destination, claim.lane) != claim.epoch:
            raise LeaseLost(field="delivery")

    def _lock(self, destination: DestinationId, lane: str) -> int | None:
        found: int | None = self._connection.execute(LOCK, {"to": destination, "of_lane": lane}).scalar()
        return found

    def _rest(self, destination: DestinationId, lane: str) -> None:
        """Ends the lease; the lane is due when the first of its deliveries that are not waiting is."""
        self._connection.execute(REST, {"to": destination, "of_lane": lane})


def _with_targets(due: Sequence[Delivery], most: int) -> list[Delivery]:
    """The first `most`, and what they refer to further down: they would wait for it, and hold up the lane for good."""
    by_reference = {delivery.reference: delivery for delivery in due}
    taken: set[str] = set()
    more = [delivery.reference for delivery in due[:most]]
    while more:
        reference = more.pop()
        if reference in by_reference and reference not in taken:
            taken.add(reference)
            more += by_reference[reference].refs
    return [delivery for delivery in due if delivery.reference in taken]
