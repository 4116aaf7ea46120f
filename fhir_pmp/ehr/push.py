"""Sends what is due to one destination: the definitions' lane first, then one lane a person, several at a time."""

import threading
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from uuid import uuid4

import structlog

from fhir_pmp.crash_points import reach
from fhir_pmp.ehr import breaker as breakers
from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.lane import MARGIN, WAITS_FOR_SEARCH, ConsentEnded, Halt, LaneOnItsWay, Stopping
from fhir_pmp.ehr.ledger import AT_ONCE, Ledger, ToldToWait
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.outcomes import PAUSES, Meaning, NotReadable, Verdict, WireFailure
from fhir_pmp.ehr.sorting import Knowledge, gather, sort_out
from fhir_pmp.ehr.whereabouts import Whereabouts
from fhir_pmp.errors import Refused, TryLater
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.logs import place_of
from fhir_pmp.store import Books, Store
from fhir_pmp.store.deliveries import DEFINITIONS_LANE, ClaimedLane, LeaseLost
from fhir_pmp.store.neighbours import Breaker

MAKES_WAY = Verdict(Meaning.UNKNOWN, None, "given back before it was known what became of it")
LOOKS_AGAIN_AFTER = timedelta(hours=1)
"""What waits for a link or for another resource is looked at again."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is taken at once, for how long, and how fast.

    The lease outlasts every single call; a longer lane renews it. `drain_per_second`: how many lanes a second are begun,
    over all processes, while what piled up in an outage drains.
    """

    lease: timedelta = timedelta(minutes=3)
    per_lane: int = 1000
    drain_per_second: float = 10.0


@dataclass
class Pushed:
    """What one push came to, by state: sent, superseded, waiting, not_wanted, withheld, dead, put_back."""

    destination: DestinationId
    counts: Counter[str] = field(default_factory=Counter)
    lanes: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in sorted(self.counts.items())) or "nothing due"


@dataclass(frozen=True, slots=True)
class _Turn:
    """A lane that may be sent now; `untroubled`: nothing was held against the destination when it was claimed."""

    claim: ClaimedLane
    untroubled: bool
    heard: int  # whole answers that this thread had got before


class Push:
    """Pushes to one destination. Safe to run in several threads and processes: lanes are claimed under a lease."""

    def __init__(
        self,
        store: Store,
        neighbour: Neighbour,
        clock: Clock,
        *,
        pace: Pace | None = None,
        chance: Random | None = None,
        stop: threading.Event | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._store = store
        self._neighbour = neighbour
        self._clock = clock
        self._pace = pace or Pace()
        self._chance = chance or Random()
        self._stop = stop or threading.Event()
        self._wait = wait or self._stop.wait
        self._breaker = breakers.KeptBreaker(store, neighbour.id, self._chance)
        self._lock = threading.Lock()
        limits = neighbour.client.limits
        self._one_call = timedelta(seconds=limits.whole_call + limits.connect) + MARGIN
        self._lease = max(self._pace.lease, self._one_call)
        self._whereabouts = Whereabouts(store, neighbour, clock, self._one_call, self._stop)

    def run(self) -> Pushed:
        """Sends until nothing is due, the destination fails, or `stop` is set."""
        pushed = Pushed(self._neighbour.id)
        self._wake_what_waits()
        if not self._something_due() or (capability := self._capability()) is None:
            return pushed
        self._work_on(capability, pushed, DEFINITIONS_LANE)
        workers = self._neighbour.connections
        with ThreadPoolExecutor(workers, thread_name_prefix=f"push-{self._neighbour.id}") as pool:
            for done in [pool.submit(self._work_on, capability, pushed) for _ in range(workers)]:
                done.result()
        if pushed.counts:
            structlog.get_logger().info(
                "pushed",
                destination=pushed.destination,
                count=pushed.lanes,
                sent=pushed.counts["sent"],
                waiting=pushed.counts["waiting"],
                dead=pushed.counts["dead"],
            )
        return pushed

    def _work_on(self, capability: Capability, pushed: Pushed, only_lane: str | None = None) -> None:
        """Takes one lane after the other and sends it, until there is none to take or the destination does not work."""
        turn = self._claim(only_lane)
        while turn is not None:
            turn = self._work(capability, pushed, turn, only_lane)

    def _work(
        self, capability: Capability, pushed: Pushed, turn: _Turn, only_lane: str | None
    ) -> _Turn | None:
        """Sends one lane; the one to be sent next."""
        reach("lane claimed")
        claim = turn.claim
        ledger = self._ledger(claim, only_lane)
        try:
            goes_on = self._send(capability, turn, ledger)
        except TryLater:
            raise  # the database is busy: the lease ends by itself
        except Exception as unexpected:  # noqa: BLE001 - one lane that we cannot handle never stops the others
            goes_on = self._set_aside(unexpected, claim, ledger)
        with self._lock:
            pushed.counts.update(ledger.counts)
            pushed.lanes += 1
        if ledger.next is None:
            return self._claim(only_lane) if goes_on else None
        if self._may_go_next(ledger.next):
            return self._turn(ledger.next, untroubled=True)
        with suppress(LeaseLost):
            self._ledger(ledger.next, only_lane).let_go()
        return None

    def _may_go_next(self, claim: ClaimedLane) -> bool:
        """Whether nothing came between since it was taken: a reading back takes its time, and others may have failed."""
        taken_at = claim.lease_until - self._lease
        at_once = timedelta(0) <= self._clock() - taken_at < AT_ONCE
        return not self._stop.is_set() and (at_once or self._breaker.is_closed())

    def _ledger(self, claim: ClaimedLane, only_lane: str | None) -> Ledger:
        return Ledger(
            self._store,
            claim,
            self._clock,
            self._chance,
            self._lease,
            partial(self._take_next, only_lane),
        )

    def _take_next(self, only_lane: str | None, books: Books) -> ClaimedLane | None:
        """The next lane, taken with the last answers of the one before: half the commits.

        Only of a destination that nothing is held against; else it is taken in its turn.
        """
        if self._stop.is_set() or books.breakers.get(self._neighbour.id) != Breaker():
            return None
        return self._claim_due(books, self._clock(), only_lane)

    def _claim_due(self, books: Books, now: datetime, only_lane: str | None) -> ClaimedLane | None:
        claims = books.outbox.claim_due(
            self._neighbour.id,
            now=now,
            lease=self._lease,
            lanes=1,
            per_lane=self._pace.per_lane,
            only_lane=only_lane,
        )
        return claims[0] if claims else None

    def _claim(self, only_lane: str | None) -> _Turn | None:
        """The next lane, in its turn."""
        while not self._stop.is_set():
            now = self._clock()
            turn = self._take_turn(now, only_lane)
            if not isinstance(turn, float):
                return turn
            self._wait(turn)
            if self._clock() <= now:
                return None  # this clock stands still; whoever moves it comes again
        return None

    def _take_turn(self, now: datetime, only_lane: str | None) -> _Turn | float | None:
        """A lane; or the seconds until the next may be begun; or None where none is due or none may be begun."""
        to = self._neighbour.id
        with self._store.begin_beside() as books:
            breaker = books.breakers.get(to)
            if breaker.state != breakers.CLOSED:
                breaker = books.breakers.hold(to)  # one probe at a time, whoever asks
            if not breakers.may_call(breaker, now):
                return None
            if wait := breakers.seconds_to_wait(breaker, now):
                return wait
            claim = self._claim_due(books, now, only_lane)
            if breaker.state == breakers.RECOVERING:
                if claim is not None:
                    pace = breakers.paced(breaker, now, self._pace.drain_per_second, self._chance)
                    books.breakers.put(to, pace)
                elif only_lane is None:
                    books.breakers.put(to, Breaker())  # nothing is left of what had piled up
            elif claim is not None and breaker.state != breakers.CLOSED:
                books.breakers.put(to, breakers.probing(breaker, now, self._one_call))
        return self._turn(claim, untroubled=breaker == Breaker()) if claim is not None else None

    def _turn(self, claim: ClaimedLane, *, untroubled: bool) -> _Turn:
        return _Turn(claim, untroubled, self._neighbour.client.answers_here)

    def _send(self, capability: Capability, turn: _Turn, ledger: Ledger) -> bool:
        claim = turn.claim
        with self._store.read() as books:
            known = gather(books, self._neighbour.destination, capability, claim)
        lane = LaneOnItsWay(
            self._store, self._neighbour, capability, ledger, known, self._clock, self._stop.is_set
        )
        try:
            if not self._is_where_we_know(claim, known, ledger):
                self._has_succeeded(turn)
                return True
            found = sort_out(self._neighbour.destination, capability, claim, known)
            ledger.end(found.ended)
            asked_nothing = self._neighbour.client.answers_here == turn.heard
            lane.send(found.ready, just_sorted_out=asked_nothing and not found.ended)
            ledger.close(found.behind)
        except Halt as halt:
            return self._halt(halt, ledger, lane.wrote)
        except (Stopping, ToldToWait, ConsentEnded) as why:
            if lane.wrote:
                maybe_there = [d for d in claim.deliveries if d.reference in lane.wrote]
                return self._halt(Halt(MAKES_WAY, maybe_there), ledger, lane.wrote)
            with suppress(LeaseLost):
                ledger.let_go()
            return isinstance(why, ConsentEnded)  # it begins anew without what stays here
        except LeaseLost:
            # Somebody slower than the lease: the one who has it now decides. What we wrote after all is looked at.
            if lane.wrote:
                ledger.doubt(lane.wrote)
            return True
        if found.ready:
            self._has_succeeded(turn)
        return True

    def _is_where_we_know(self, claim: ClaimedLane, known: Knowledge, ledger: Ledger) -> bool:
        """Whether the lane can be sent: what it is about stands there where we think. Else it was given back."""
        self._whereabouts.check_link(claim, known, ledger)
        if self._whereabouts.is_unlinked(claim, known) and not self._whereabouts.link(claim, known, ledger):
            return False
        return not self._whereabouts.loses_places(claim, known, ledger)

    def _has_succeeded(self, turn: _Turn) -> None:
        # Else there is nothing to take back; what somebody counts meanwhile, the next one does.
        if not turn.untroubled and self._neighbour.client.answers_here > turn.heard:
            self._breaker.has_succeeded(self._clock())

    def _halt(self, halt: Halt, ledger: Ledger, wrote: Collection[str]) -> bool:
        now, verdict = self._clock(), halt.verdict
        pauses = verdict.meaning in PAUSES
        try:
            if pauses:
                ledger.let_go()
            else:
                ledger.put_back(verdict, [d.seq for d in halt.maybe_there])
        except LeaseLost:  # the lane is another's by now; what the destination answered counts all the same
            if wrote:
                ledger.doubt(wrote)
        if pauses:
            self._breaker.pause(now, verdict.reason or "the destination refuses us", verdict.status)
            return False
        if self._stop.is_set() and verdict.status is None:
            return False  # we may have cut the call off ourselves: that says nothing about the destination
        if verdict.reason == WAITS_FOR_SEARCH:
            return True  # it answers; its search is behind, as we knew
        if verdict is MAKES_WAY:
            return False
        if verdict.status == 409:
            return True  # a race about one resource says nothing about the destination's health
        self._breaker.has_failed(now, verdict.reason or f"status {verdict.status}", verdict.after_seconds)
        return True

    def _set_aside(self, unexpected: Exception, claim: ClaimedLane, ledger: Ledger) -> bool:
        """A fault of ours: the lane backs off like any other that fails, and is dead with a work item after its time."""
        structlog.get_logger().error(
            "delivery failed unexpectedly", destination=claim.destination, place=place_of(unexpected)
        )
        with suppress(LeaseLost):
            reason = "a fault of ours; the log names the place"
            ledger.put_back(Verdict(Meaning.UNKNOWN, None, reason), [d.seq for d in claim.deliveries])
        return True

    def _capability(self) -> Capability | None:
        """What it can do; None where that cannot be found out now. To ask is a call too: of a sick server, the probe."""
        closed, known = self._breaker.is_closed(), self._neighbour.known
        if known is not None and not closed:
            return known  # what it said before lets its deliveries be tried, and age
        if not closed and (
            not self._breaker.may_begin(self._clock(), self._one_call) or self._breaker.was_opened()
        ):
            return None
        try:
            capability = self._neighbour.capability(self._clock())
            if not closed:
                self._breaker.goes_on(self._clock())
            return capability
        except WireFailure as failure:
            # While stopping we may have cut the call off ourselves; what was answered counts.
            if not self._stop.is_set() or isinstance(failure, NotReadable):
                self._breaker.has_failed(self._clock(), str(failure), failure.after_seconds)
        except Refused as refusal:
            self._breaker.pause(self._clock(), str(refusal), None)
        return None

    def _something_due(self) -> bool:
        now = self._clock()
        with self._store.read() as books:
            if not breakers.may_call(books.breakers.get(self._neighbour.id), now):
                return False
            return books.delivery_checks.is_due(self._neighbour.id, now=now)

    def _wake_what_waits(self) -> None:
        now, to = self._clock(), self._neighbour.id
        with self._store.begin_beside() as books:
            books.delivery_checks.put_clock_right(to, now=now)
            # Taken by a holder that nobody is again, it is free once it has run out: for one process, once an hour.
            if books.leases.take(f"waiting {to}", uuid4().hex, now=now, lasts=LOOKS_AGAIN_AFTER):
                for lane in books.delivery_checks.waiting_lanes(to):
                    books.outbox.resume(to, lane, now=now)
