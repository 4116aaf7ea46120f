"""What became of a claimed lane, written down while the lease holds; every method is one transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from msgspec import Struct

from fhir_pmp.crash_points import reach
from fhir_pmp.ehr.breaker import OPEN
from fhir_pmp.ehr.outcomes import Verdict
from fhir_pmp.ehr.retry_after import delay
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Books, Store
from fhir_pmp.store.as_sent import kept_apart
from fhir_pmp.store.deliveries import (
    DEFINITIONS_LANE,
    ClaimedLane,
    Delivery,
    DeliveryState,
    Ended,
    PutBack,
    Sent,
)
from fhir_pmp.store.neighbours import NAMED_BY_SERVER

AT_ONCE = timedelta(seconds=1)
"""How long after a look at the breaker a call is made without another."""
OLDEST = timedelta(hours=72)
"""After its first attempt a delivery that still fails is dead: a person has to know."""
BEHIND_ANOTHER = timedelta(seconds=30)

REFUSED = "delivery_refused"
EDITED = "edited_at_destination"
NOT_LINKED = "patient_not_linked"
DELIVERY_KINDS = (REFUSED, EDITED)

_WHAT = {
    REFUSED: "The destination does not take this resource. Find out why, correct it or what it rests on, then replay it.",
    EDITED: "Somebody changed our resource at the destination. Compare both and decide which stands, then replay it.",
}  # fmt: skip


class ToldToWait(Exception):
    """The destination was found sick since this lane was begun: what it asks for holds for the lane as well."""


class Taken(Struct, frozen=True):
    """A delivery that the destination has: where, under which version tag, in which bytes."""

    delivery: Delivery
    place: str
    etag: str | None
    status: int
    content: bytes
    content_hash: str


class Ledger:
    """The books of one claim. Raises LeaseLost wherever the lane was claimed anew since."""

    def __init__(
        self,
        store: Store,
        claim: ClaimedLane,
        clock: Callable[[], datetime],
        chance: Random,
        lease: timedelta,
        take_next: Callable[[Books], ClaimedLane | None],
    ) -> None:
        self._store = store
        self._claim = claim
        self._clock = clock
        self._chance = chance
        self._lease = lease
        self._looked_at = claim.lease_until - lease  # at the breaker: as the lane was claimed
        self._unanswered = {delivery.seq: delivery for delivery in claim.deliveries}
        self._released = False
        self._take_next = take_next
        self.next: ClaimedLane | None = (
            None  # taken in the commit that gave this lane back with its last answers
        )
        self.counts: dict[str, int] = {}

    def before_call(self, needed: timedelta) -> bool:
        """Makes sure that the lane stays ours for so long: what is sent after a lost lease may undo newer work.

        True where that took no look at the books: hardly any time has gone by. Raises ToldToWait where somebody else
        was, meanwhile.
        """
        now = self._clock()
        at_once = timedelta(0) <= now - self._looked_at < AT_ONCE
        if not at_once:
            with self._store.read() as books:
                if books.breakers.get(self._claim.destination).state == OPEN:
                    raise ToldToWait
            self._looked_at = now
        if self._claim.lease_until - now >= needed:
            return at_once
        until = now + max(self._lease, needed)
        with self._store.begin_beside() as books:
            books.outbox.extend(self._claim, until)
        self._claim = replace(self._claim, lease_until=until)
        return False

    def settle(self, taken: Sequence[Taken]) -> None:
        """These are there. Their work items close; what waited for them goes on."""
        if not taken:
            return
        now, to = self._clock(), self._claim.destination
        with self._store.begin_beside() as books:
            # Where these were the last the lane is given back with them: one commit less for every lane.
            self._released = self._unanswered.keys() <= {t.delivery.seq for t in taken}
            books.outbox.settle(self._claim, [_sent(t) for t in taken], now=now, last=self._released)
            books.remote_versions.were_acknowledged(to, [t.delivery.reference for t in taken])
            for t in taken:
                if t.place != t.delivery.reference:
                    books.destination_ids.link(
                        to, t.delivery.reference, t.place, how=NAMED_BY_SERVER, by="sync", now=now
                    )
            mended = self._close_items(books, {t.delivery.reference: t.delivery.version for t in taken}, now)
            if mended:
                books.delivery_checks.end_overtaken(to, mended)
            for lane in self._waiting_for(
                books, {t.delivery.reference for t in taken}, everywhere=bool(mended)
            ):
                books.outbox.resume(to, lane, now=now)
            taken_next = self._take_next(books) if self._released else None
        self.next = taken_next  # only now: what did not commit is not ours
        self._answered("sent", (t.delivery.seq for t in taken))
        reach("delivery settled")

    def end(self, ended: Sequence[Ended]) -> None:
        """These are not sent, without anybody having to look: not wanted, withheld, superseded, waiting."""
        if not ended:
            return
        with self._store.begin_beside() as books:
            books.outbox.end(self._claim, ended)
        for one in ended:
            self._answered(one.state.value, [one.seq])

    def bury(self, delivery: Delivery, verdict: Verdict, kind: str = REFUSED) -> None:
        """This one is dead, and a person is told."""
        with self._store.begin_beside() as books:
            self._bury(books, delivery, verdict, kind, self._clock())
        self._answered("dead", [delivery.seq])

    def put_back(self, verdict: Verdict, maybe_there: Iterable[int]) -> None:
        """All that is unanswered is tried again later, the same bytes; what has failed for too long is dead."""
        now, unknown = self._clock(), set(maybe_there)
        back, old = [], []
        attempts = max((d.attempts for d in self._unanswered.values()), default=0) + 1
        later = now + timedelta(seconds=delay(attempts, verdict.after_seconds, self._chance))
        for d in self._unanswered.values():
            if d.tried_at is not None and now - d.tried_at >= OLDEST:
                old.append(d)
            else:
                back.append(PutBack(d.seq, later, d.seq in unknown, verdict.status, verdict.reason))
        with self._store.begin_beside() as books:
            books.outbox.put_back(self._claim, back, now=now)
            for d in old:
                self._bury(books, d, replace(verdict, reason=f"failing for {OLDEST.days} days"), REFUSED, now)
            books.outbox.release(self._claim)
        self._answered("put_back", [b.seq for b in back])
        self._answered("dead", [d.seq for d in old])

    def park(self, reason: str, what: str, details: dict[str, object]) -> None:
        """Nobody at the destination is this person yet: the whole lane waits, and a person is told."""
        now = self._clock()
        with self._store.begin_beside() as books:
            books.outbox.park(self._claim, reason)
            books.work_items.open(
                NOT_LINKED,
                about=about_patient(self._claim),
                role="clinician",
                what=what,
                now=now,
                person=PersonId(self._claim.lane),
                details={"destination": self._claim.destination, "reason": reason, **details},
            )
            books.outbox.release(self._claim)
        self._answered("waiting", list(self._unanswered))

    def link(self, ours: str, theirs: str, how: str) -> bool:
        """This is who it is at the destination; remembered, and the work item closes.

        True where earlier deliveries of the lane had waited for it: the lane is given back, to be claimed in its order.
        """
        now = self._clock()
        with self._store.begin_beside() as books:
            books.destination_ids.link(self._claim.destination, ours, theirs, how=how, by="sync", now=now)
            books.work_items.close_about(NOT_LINKED, about_patient(self._claim), by="sync", how=how, now=now)
            waited = books.outbox.resume(self._claim.destination, self._claim.lane, now=now) > 0
            if waited:
                books.outbox.release(self._claim)
        return waited

    def close(self, behind: Sequence[Delivery] = ()) -> None:
        """The lane is done with. What is behind another delivery looks again in a while."""
        if not self._released:
            self._close(behind)
        reach("lane released")

    def _close(self, behind: Sequence[Delivery]) -> None:
        now = self._clock()
        reason = "what it refers to is on its way"
        # Nothing else can be unanswered here; if it were, a lane that is due at once would be claimed without end.
        left = {d.seq: d for d in (*behind, *self._unanswered.values())}
        back = [PutBack(d.seq, now + BEHIND_ANOTHER, d.unknown, None, reason) for d in left.values()]
        with self._store.begin_beside() as books:
            books.outbox.put_back(self._claim, back, now=now)
            books.outbox.release(self._claim)
        self._answered("put_back", list(left))

    def wait(self, reason: str) -> None:
        """The whole lane waits for a decision that somebody has been asked for already."""
        with self._store.begin_beside() as books:
            books.outbox.park(self._claim, reason)
            books.outbox.release(self._claim)
        self._answered("waiting", list(self._unanswered))

    def let_go(self) -> None:
        """The lane is given back as it was: not the data but the way in was refused."""
        with self._store.begin_beside() as books:
            books.outbox.release(self._claim)

    def is_unanswered(self, delivery: Delivery) -> bool:
        """Whether nothing was written down yet of what became of it."""
        return delivery.seq in self._unanswered

    def forget(self, reference: str) -> None:
        """The destination does not have it any more."""
        with self._store.begin_beside() as books:
            books.remote_versions.forget(self._claim.destination, reference, now=self._clock())

    def doubt(self, references: Iterable[str]) -> None:
        """We wrote after our lease had ended: what stands there now must be read and compared by whoever comes next."""
        with self._store.begin_beside() as books:
            books.delivery_checks.doubt(self._claim.destination, references, now=self._clock())

    def _bury(self, books: Books, delivery: Delivery, verdict: Verdict, kind: str, now: datetime) -> None:
        reason = verdict.reason or "refused without a reason that we read"
        books.outbox.end(self._claim, [Ended(delivery.seq, DeliveryState.DEAD, verdict.status, reason)])
        books.work_items.open(
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
                "status": verdict.status,
                "reason": reason,
            },
        )

    def _close_items(self, books: Books, delivered: Mapping[str, int], now: datetime) -> set[str]:
        """Closes the work items about these; the references of those that had one, for which others may have waited.

        One about a newer version stays: an older one that was sent again, because it was lost there, mends nothing.
        """
        person = None if self._claim.lane == DEFINITIONS_LANE else PersonId(self._claim.lane)
        mended = set()
        for item in books.work_items.list_open(kinds=DELIVERY_KINDS, person=person):
            reference = item.about.removeprefix(f"delivery/{self._claim.destination}/")
            if _version_in(item.details) <= delivered.get(reference, -1):
                books.work_items.close(item.id, by="sync", how="it was delivered", now=now)
                mended.add(reference)
        return mended

    def _waiting_for(self, books: Books, delivered: Collection[str], *, everywhere: bool) -> Collection[str]:
        """The lanes in which something waited for one of these: for it, or for what a newer version of it replaces."""
        if everywhere or self._claim.lane == DEFINITIONS_LANE:
            return books.delivery_checks.waiting_lanes(self._claim.destination, delivered)
        return [self._claim.lane] if books.delivery_checks.waited_before(self._claim, delivered) else []

    def _answered(self, how: str, seqs: Iterable[int]) -> None:
        for seq in seqs:
            if self._unanswered.pop(seq, None) is not None:
                self.counts[how] = self.counts.get(how, 0) + 1


def _version_in(details: Mapping[str, object]) -> int:
    """Of which version a work item is; 0 where it is of none."""
    version = str(details.get("resource", "")).partition("/_history/")[2]
    return int(version) if version.isdigit() else 0


def about_delivery(delivery: Delivery) -> str:
    """What a work item about a delivery is about: the resource at the destination, whichever version."""
    return f"delivery/{delivery.destination}/{delivery.reference}"


def about_patient(claim: ClaimedLane) -> str:
    """What a work item about a link is about."""
    return f"destination/{claim.destination}/person/{claim.lane}"


def _sent(taken: Taken) -> Sent:
    apart = kept_apart(taken.content, taken.delivery.content)
    return Sent(taken.delivery.seq, taken.status, taken.etag, taken.content_hash, apart)
