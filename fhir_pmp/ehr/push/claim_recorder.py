"""Records the result of a claimed lane under its lease; every method is one transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from fhir_pmp.crash_points import reach
from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_KINDS, DELIVERY_REFUSED, EDITED, NOT_LINKED
from fhir_pmp.ehr.connection.breaker import OPEN
from fhir_pmp.ehr.exchange.writes import AcknowledgedWrite
from fhir_pmp.ehr.identity.patient_link import about_link
from fhir_pmp.ehr.push.lane_exceptions import DestinationIsFailing
from fhir_pmp.ehr.transport.response_class import ClassifiedResponse
from fhir_pmp.ehr.transport.retry_after import retry_delay
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.delivery.deliveries import (
    DEFINITIONS_LANE,
    ClaimedLane,
    Delivery,
    DeliveryState,
    EndedResult,
    PutBackResult,
    SentResult,
)
from fhir_pmp.store.delivery.sent_bytes import bytes_to_store
from fhir_pmp.store.remote_state.remote_ids import ASSIGNED_BY_SERVER

BREAKER_CHECK_LASTS = timedelta(seconds=1)
"""How long after a look at the breaker a call is made without another."""
DEAD_AFTER = timedelta(hours=72)
"""After its first attempt a delivery that still fails is dead: a person has to know."""
DEFERRED_FOR = timedelta(seconds=30)

_WHAT = {
    DELIVERY_REFUSED: "The destination does not take this resource. Find out why, correct it or what it rests on, then replay it.",
    EDITED: "Somebody changed our resource at the destination. Compare both and decide which stands, then replay it.",
}  # fmt: skip


class ClaimRecorder:
    """Records the results of one claim. Raises LeaseLost if the lane was claimed again since."""

    def __init__(
        self,
        store: Store,
        claim: ClaimedLane,
        clock: Callable[[], datetime],
        rng: Random,
        lease: timedelta,
        claim_next: Callable[[UnitOfWork], ClaimedLane | None],
    ) -> None:
        self._store = store
        self._claim = claim
        self._clock = clock
        self._chance = rng
        self._lease = lease
        self._breaker_checked_at = claim.lease_until - lease  # at the breaker: as the lane was claimed
        self._unrecorded = {delivery.seq: delivery for delivery in claim.deliveries}
        self._is_released = False
        self._claim_next = claim_next
        self.next: ClaimedLane | None = (
            None  # taken in the commit that gave this lane back with its last answers
        )
        self.counts: dict[str, int] = {}

    def prepare_call(self, needed: timedelta) -> bool:
        """Makes sure that the lease outlasts the next call.

        A write after a lost lease may undo newer work. Returns True if no query was needed, because hardly any time has passed.
        Raises DestinationIsFailing if another process was refused meanwhile.
        """
        now = self._clock()
        is_recent = timedelta(0) <= now - self._breaker_checked_at < BREAKER_CHECK_LASTS
        if not is_recent:
            with self._store.read() as uow:
                if uow.breakers.get(self._claim.destination).state == OPEN:
                    raise DestinationIsFailing
            self._breaker_checked_at = now
        if self._claim.lease_until - now >= needed:
            return is_recent
        until = now + max(self._lease, needed)
        with self._store.begin_without_publishing() as uow:
            uow.outbox.extend(self._claim, until)
        self._claim = replace(self._claim, lease_until=until)
        return False

    def acknowledge(self, acknowledged: Sequence[AcknowledgedWrite]) -> None:
        """These are there. Their work items close; what waited for them goes on."""
        if not acknowledged:
            return
        now, to = self._clock(), self._claim.destination
        with self._store.begin_without_publishing() as uow:
            # Where these were the last the lane is given back with them: one commit less for every lane.
            self._is_released = self._unrecorded.keys() <= {t.delivery.seq for t in acknowledged}
            uow.outbox.acknowledge(
                self._claim, [_sent(t) for t in acknowledged], now=now, last=self._is_released
            )
            uow.remote_versions.clear_found(to, [t.delivery.reference for t in acknowledged])
            for t in acknowledged:
                if t.remote_reference != t.delivery.reference:
                    uow.remote_ids.link(
                        to,
                        t.delivery.reference,
                        t.remote_reference,
                        how=ASSIGNED_BY_SERVER,
                        by="sync",
                        now=now,
                    )
            mended = self._close_work_items(
                uow, {t.delivery.reference: t.delivery.version for t in acknowledged}, now
            )
            if mended:
                uow.delivery_checks.supersede_dead(to, mended)
            for lane in self._waiting_for(
                uow, {t.delivery.reference for t in acknowledged}, everywhere=bool(mended)
            ):
                uow.outbox.resume(to, lane, now=now)
            claimed_next = self._claim_next(uow) if self._is_released else None
        self.next = claimed_next  # only now: what did not commit is not ours
        self._count_answered("sent", (t.delivery.seq for t in acknowledged))
        reach("delivery settled")

    def end(self, ended: Sequence[EndedResult]) -> None:
        """These are not sent, without anybody having to look: not wanted, withheld, superseded, waiting."""
        if not ended:
            return
        with self._store.begin_without_publishing() as uow:
            uow.outbox.end(self._claim, ended)
        for one in ended:
            self._count_answered(one.state.value, [one.seq])

    def dead_letter(
        self, delivery: Delivery, classified: ClassifiedResponse, kind: str = DELIVERY_REFUSED
    ) -> None:
        """This one is dead, and a person is told."""
        with self._store.begin_without_publishing() as uow:
            self._dead_letter(uow, delivery, classified, kind, self._clock())
        self._count_answered("dead", [delivery.seq])

    def put_back(self, classified: ClassifiedResponse, possibly_written: Iterable[int]) -> None:
        """Puts back every unanswered delivery for a later attempt with the same bytes.

        One that has failed for too long becomes dead.
        """
        now, unknown = self._clock(), set(possibly_written)
        back, old = [], []
        attempts = max((d.attempts for d in self._unrecorded.values()), default=0) + 1
        later = now + timedelta(seconds=retry_delay(attempts, classified.after_seconds, self._chance))
        for d in self._unrecorded.values():
            if d.first_attempt_at is not None and now - d.first_attempt_at >= DEAD_AFTER:
                old.append(d)
            else:
                back.append(
                    PutBackResult(d.seq, later, d.seq in unknown, classified.status, classified.reason)
                )
        with self._store.begin_without_publishing() as uow:
            uow.outbox.put_back(self._claim, back, now=now)
            for d in old:
                self._dead_letter(
                    uow,
                    d,
                    replace(classified, reason=f"failing for {DEAD_AFTER.days} days"),
                    DELIVERY_REFUSED,
                    now,
                )
            uow.outbox.release(self._claim)
        self._count_answered("put_back", [b.seq for b in back])
        self._count_answered("dead", [d.seq for d in old])

    def hold(self, reason: str, what: str, details: dict[str, object]) -> None:
        """Holds the lane with a work item: no Patient there matches this person."""
        now = self._clock()
        with self._store.begin_without_publishing() as uow:
            uow.outbox.hold(self._claim, reason)
            uow.work_items.open(
                NOT_LINKED,
                about=about_link(self._claim.destination, PersonId(self._claim.lane)),
                role="clinician",
                what=what,
                now=now,
                person=PersonId(self._claim.lane),
                details={"destination": self._claim.destination, "reason": reason, **details},
            )
            uow.outbox.release(self._claim)
        self._count_answered("waiting", list(self._unrecorded))

    def link(self, ours: str, theirs: str, how: str) -> bool:
        """This is who it is at the destination; remembered, and the work item closes.

        True where earlier deliveries of the lane had waited for it: the lane is given back, to be claimed in its order.
        """
        now = self._clock()
        with self._store.begin_without_publishing() as uow:
            uow.remote_ids.link(self._claim.destination, ours, theirs, how=how, by="sync", now=now)
            uow.work_items.close_about(
                NOT_LINKED,
                about_link(self._claim.destination, PersonId(self._claim.lane)),
                by="sync",
                how=how,
                now=now,
            )
            waited = uow.outbox.resume(self._claim.destination, self._claim.lane, now=now) > 0
            if waited:
                uow.outbox.release(self._claim)
        return waited

    def close(self, deferred: Sequence[Delivery] = ()) -> None:
        """The lane is done with. What is behind another delivery looks again in a while."""
        if not self._is_released:
            self._close(deferred)
        reach("lane released")

    def _close(self, deferred: Sequence[Delivery]) -> None:
        now = self._clock()
        reason = "what it refers to is on its way"
        # Nothing else can be unanswered here; if it were, a lane that is due at once would be claimed without end.
        left = {d.seq: d for d in (*deferred, *self._unrecorded.values())}
        back = [
            PutBackResult(d.seq, now + DEFERRED_FOR, d.may_have_arrived, None, reason) for d in left.values()
        ]
        with self._store.begin_without_publishing() as uow:
            uow.outbox.put_back(self._claim, back, now=now)
            uow.outbox.release(self._claim)
        self._count_answered("put_back", list(left))

    def hold_for_decision(self, reason: str) -> None:
        """The whole lane waits for a decision that somebody has been asked for already."""
        with self._store.begin_without_publishing() as uow:
            uow.outbox.hold(self._claim, reason)
            uow.outbox.release(self._claim)
        self._count_answered("waiting", list(self._unrecorded))

    def release(self) -> None:
        """Releases the lane unchanged: the server refused our access, not the data."""
        with self._store.begin_without_publishing() as uow:
            uow.outbox.release(self._claim)

    def is_unrecorded(self, delivery: Delivery) -> bool:
        """Whether nothing was written down yet of what became of it."""
        return delivery.seq in self._unrecorded

    def forget(self, reference: str) -> None:
        """The destination does not have it any more."""
        with self._store.begin_without_publishing() as uow:
            uow.remote_versions.forget(self._claim.destination, reference, now=self._clock())

    def mark_unverified(self, references: Iterable[str]) -> None:
        """Marks what was written after the lease had ended.

        The next holder must read and compare what is at the destination.
        """
        with self._store.begin_without_publishing() as uow:
            uow.delivery_checks.mark_unverified(self._claim.destination, references, now=self._clock())

    def _dead_letter(
        self, uow: UnitOfWork, delivery: Delivery, classified: ClassifiedResponse, kind: str, now: datetime
    ) -> None:
        reason = classified.reason or "refused without a reason that we read"
        uow.outbox.end(
            self._claim, [EndedResult(delivery.seq, DeliveryState.DEAD, classified.status, reason)]
        )
        uow.work_items.open(
            kind,
            about=about_delivery(delivery),
            role="administrator",
            what=_WHAT[kind],
            now=now,
            person=delivery.person,
            episode=delivery.episode,
            details={
                "destination": delivery.destination,
                "delivery": delivery.seq,
                "resource": f"{delivery.reference}/_history/{delivery.version}",
                "status": classified.status,
                "reason": reason,
            },
        )

    def _close_work_items(self, uow: UnitOfWork, delivered: Mapping[str, int], now: datetime) -> set[str]:
        """Closes the work items about these; the references of those that had one, for which others may have waited.

        One about a newer version stays: an older one that was sent again, because it was lost there, mends nothing.
        """
        person = None if self._claim.lane == DEFINITIONS_LANE else PersonId(self._claim.lane)
        mended = set()
        for item in uow.work_items.list_open(kinds=DELIVERY_KINDS, person=person):
            reference = item.about.removeprefix(f"delivery/{self._claim.destination}/")
            if _version_in(item.details) <= delivered.get(reference, -1):
                uow.work_items.close(item.id, by="sync", how="it was delivered", now=now)
                mended.add(reference)
        return mended

    def _waiting_for(
        self, uow: UnitOfWork, delivered: Collection[str], *, everywhere: bool
    ) -> Collection[str]:
        """The lanes in which something waited for one of these: for it, or for what a newer version of it replaces."""
        if everywhere or self._claim.lane == DEFINITIONS_LANE:
            return uow.delivery_checks.list_waiting_lanes(self._claim.destination, delivered)
        return [self._claim.lane] if uow.delivery_checks.had_waiting(self._claim, delivered) else []

    def _count_answered(self, how: str, seqs: Iterable[int]) -> None:
        for seq in seqs:
            if self._unrecorded.pop(seq, None) is not None:
                self.counts[how] = self.counts.get(how, 0) + 1


def _version_in(details: Mapping[str, object]) -> int:
    """Of which version a work item is; 0 where it is of none."""
    version = str(details.get("resource", "")).partition("/_history/")[2]
    return int(version) if version.isdigit() else 0


def about_delivery(delivery: Delivery) -> str:
    """The subject of a work item about a delivery: the resource there, whichever version."""
    return f"delivery/{delivery.destination}/{delivery.reference}"


def _sent(acknowledged: AcknowledgedWrite) -> SentResult:
    apart = bytes_to_store(acknowledged.content, acknowledged.delivery.content)
    return SentResult(
        acknowledged.delivery.seq, acknowledged.status, acknowledged.etag, acknowledged.content_hash, apart
    )
