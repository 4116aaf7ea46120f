"""Pushes due deliveries to one destination: definitions first, then one lane a person."""

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
from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.connection import breaker as breakers
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.claim_recorder import BREAKER_CHECK_LASTS, ClaimRecorder
from fhir_pmp.ehr.push.lane_exceptions import ConsentEnded, DestinationIsFailing, LaneHalted, StopRequested
from fhir_pmp.ehr.push.lane_sender import LEASE_MARGIN, WAITING_FOR_SEARCH_INDEX, LaneSender
from fhir_pmp.ehr.push.planning import LaneSnapshot, load_snapshot, plan_lane
from fhir_pmp.ehr.push.preflight import PreflightChecks
from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    ClassifiedResponse,
    HttpResponseClass,
    NotReadable,
    WireFailure,
)
from fhir_pmp.errors import Refused, TryLater
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.logs import error_location
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.delivery.deliveries import DEFINITIONS_LANE, ClaimedLane, LeaseLost
from fhir_pmp.store.remote_state.breakers import Breaker

GIVEN_BACK_UNVERIFIED = ClassifiedResponse(
    HttpResponseClass.UNKNOWN, None, "given back before it was known what became of it"
)
RESUME_WAITING_EVERY = timedelta(hours=1)
"""What waits for a link or for another resource is looked at again."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class PushPace:
    """How much is taken at once, for how long, and how fast.

    The lease outlasts every single call; a longer lane renews it. `drain_per_second`: how many lanes a second are begun,
    over all processes, while what piled up in an outage drains.
    """

    lease: timedelta = timedelta(minutes=3)
    per_lane: int = 1000
    drain_per_second: float = 10.0


@dataclass
class PushResult:
    """What one push came to, by state: sent, superseded, waiting, not_wanted, withheld, dead, put_back."""

    destination: DestinationId
    counts: Counter[str] = field(default_factory=Counter)
    lanes: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in sorted(self.counts.items())) or "nothing due"


@dataclass(frozen=True, slots=True)
class _ClaimedTurn:
    """A lane that may be sent now; `untroubled`: nothing was held against the destination when it was claimed."""

    claim: ClaimedLane
    is_breaker_clear: bool
    answers_before: int  # whole answers that this thread had got before


class PushWorker:
    """Pushes to one destination. Safe in several threads and processes: each lane has a lease."""

    def __init__(
        self,
        store: Store,
        connection: EhrConnection,
        clock: Clock,
        *,
        pace: PushPace | None = None,
        rng: Random | None = None,
        stop: threading.Event | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._store = store
        self._connection = connection
        self._clock = clock
        self._pace = pace or PushPace()
        self._chance = rng or Random()
        self._stop = stop or threading.Event()
        self._wait = wait or self._stop.wait
        self._breaker = breakers.StoredBreaker(store, connection.id, self._chance)
        self._lock = threading.Lock()
        limits = connection.client.limits
        self._call_limit = timedelta(seconds=limits.whole_call + limits.connect) + LEASE_MARGIN
        self._lease = max(self._pace.lease, self._call_limit)
        self._preflight = PreflightChecks(store, connection, clock, self._call_limit, self._stop)

    def run(self) -> PushResult:
        """Sends until nothing is due, the destination fails, or `stop` is set."""
        push_result = PushResult(self._connection.id)
        self._resume_waiting()
        if not self._is_anything_due() or (capability := self._capability()) is None:
            return push_result
        self._send_lanes(capability, push_result, DEFINITIONS_LANE)
        workers = self._connection.connections
        with ThreadPoolExecutor(workers, thread_name_prefix=f"push-{self._connection.id}") as pool:
            for done in [pool.submit(self._send_lanes, capability, push_result) for _ in range(workers)]:
                done.result()
        if push_result.counts:
            structlog.get_logger().info(
                "pushed",
                destination=push_result.destination,
                count=push_result.lanes,
                sent=push_result.counts["sent"],
                waiting=push_result.counts["waiting"],
                dead=push_result.counts["dead"],
            )
        return push_result

    def _send_lanes(
        self, capability: Capability, push_result: PushResult, only_lane: str | None = None
    ) -> None:
        """Takes one lane after the other and sends it, until there is none to take or the destination does not work."""
        turn = self._claim(only_lane)
        while turn is not None:
            turn = self._send_turn(capability, push_result, turn, only_lane)

    def _send_turn(
        self, capability: Capability, push_result: PushResult, turn: _ClaimedTurn, only_lane: str | None
    ) -> _ClaimedTurn | None:
        """Sends one lane; the one to be sent next."""
        reach("lane claimed")
        claim = turn.claim
        recorder = self._recorder(claim, only_lane)
        try:
            release_probe = self._send(capability, turn, recorder)
        except TryLater:
            raise  # the database is busy: the lease ends by itself
        except Exception as unexpected:  # noqa: BLE001 - one lane that we cannot handle never stops the others
            release_probe = self._retry_after_fault(unexpected, claim, recorder)
        with self._lock:
            push_result.counts.update(recorder.counts)
            push_result.lanes += 1
        if recorder.next is None:
            return self._claim(only_lane) if release_probe else None
        if self._may_send_next(recorder.next):
            return self._turn(recorder.next, is_breaker_clear=True)
        with suppress(LeaseLost):
            self._recorder(recorder.next, only_lane).release()
        return None

    def _may_send_next(self, claim: ClaimedLane) -> bool:
        """Whether nothing came between since it was taken: a reading back takes its time, and others may have failed."""
        taken_at = claim.lease_until - self._lease
        is_recent = timedelta(0) <= self._clock() - taken_at < BREAKER_CHECK_LASTS
        return not self._stop.is_set() and (is_recent or self._breaker.is_closed())

    def _recorder(self, claim: ClaimedLane, only_lane: str | None) -> ClaimRecorder:
        return ClaimRecorder(
            self._store,
            claim,
            self._clock,
            self._chance,
            self._lease,
            partial(self._claim_next, only_lane),
        )

    def _claim_next(self, only_lane: str | None, uow: UnitOfWork) -> ClaimedLane | None:
        """The next lane, taken with the last answers of the one before: half the commits.

        Only of a destination that nothing is held against; else it is taken in its turn.
        """
        if self._stop.is_set() or uow.breakers.get(self._connection.id) != Breaker():
            return None
        return self._claim_due(uow, self._clock(), only_lane)

    def _claim_due(self, uow: UnitOfWork, now: datetime, only_lane: str | None) -> ClaimedLane | None:
        claims = uow.outbox.claim_due(
            self._connection.id,
            now=now,
            lease=self._lease,
            lanes=1,
            per_lane=self._pace.per_lane,
            only_lane=only_lane,
        )
        return claims[0] if claims else None

    def _claim(self, only_lane: str | None) -> _ClaimedTurn | None:
        """The next lane, in its turn."""
        while not self._stop.is_set():
            now = self._clock()
            turn = self._claim_turn(now, only_lane)
            if not isinstance(turn, float):
                return turn
            self._wait(turn)
            if self._clock() <= now:
                return None  # this clock stands still; whoever moves it comes again
        return None

    def _claim_turn(self, now: datetime, only_lane: str | None) -> _ClaimedTurn | float | None:
        """A lane; or the seconds until the next may be begun; or None where none is due or none may be begun."""
        to = self._connection.id
        with self._store.begin_without_publishing() as uow:
            breaker = uow.breakers.get(to)
            if breaker.state != breakers.CLOSED:
                breaker = uow.breakers.get_for_update(to)  # one probe at a time, whoever asks
            if not breakers.may_call(breaker, now):
                return None
            if wait := breakers.seconds_until_next_lane(breaker, now):
                return wait
            claim = self._claim_due(uow, now, only_lane)
            if breaker.state == breakers.RECOVERING:
                if claim is not None:
                    slowed = breakers.after_lane_begun(
                        breaker, now, self._pace.drain_per_second, self._chance
                    )
                    uow.breakers.put(to, slowed)
                elif only_lane is None:
                    uow.breakers.put(to, Breaker())  # nothing is left of what had piled up
            elif claim is not None and breaker.state != breakers.CLOSED:
                uow.breakers.put(to, breakers.after_probe_sent(breaker, now, self._call_limit))
        return self._turn(claim, is_breaker_clear=breaker == Breaker()) if claim is not None else None

    def _turn(self, claim: ClaimedLane, *, is_breaker_clear: bool) -> _ClaimedTurn:
        return _ClaimedTurn(claim, is_breaker_clear, self._connection.client.answers_in_this_thread)

    def _send(self, capability: Capability, turn: _ClaimedTurn, recorder: ClaimRecorder) -> bool:
        claim = turn.claim
        with self._store.read() as uow:
            snapshot = load_snapshot(uow, self._connection.destination, capability, claim)
        lane = LaneSender(
            self._store, self._connection, capability, recorder, snapshot, self._clock, self._stop.is_set
        )
        try:
            if not self._passes_preflight(claim, snapshot, recorder):
                self._record_success(turn)
                return True
            plan = plan_lane(self._connection.destination, capability, claim, snapshot)
            recorder.end(plan.ended)
            asked_nothing = self._connection.client.answers_in_this_thread == turn.answers_before
            lane.send(plan.ready, just_planned=asked_nothing and not plan.ended)
            recorder.close(plan.deferred)
        except LaneHalted as halt:
            return self._handle_halt(halt, recorder, lane.unrecorded_writes)
        except (StopRequested, DestinationIsFailing, ConsentEnded) as why:
            if lane.unrecorded_writes:
                possibly_written = [d for d in claim.deliveries if d.reference in lane.unrecorded_writes]
                return self._handle_halt(
                    LaneHalted(GIVEN_BACK_UNVERIFIED, possibly_written), recorder, lane.unrecorded_writes
                )
            with suppress(LeaseLost):
                recorder.release()
            return isinstance(why, ConsentEnded)  # it begins anew without what stays here
        except LeaseLost:
            # Somebody slower than the lease: the one who has it now decides. What we wrote after all is looked at.
            if lane.unrecorded_writes:
                recorder.mark_unverified(lane.unrecorded_writes)
            return True
        if plan.ready:
            self._record_success(turn)
        return True

    def _passes_preflight(self, claim: ClaimedLane, snapshot: LaneSnapshot, recorder: ClaimRecorder) -> bool:
        """Whether the lane can be sent: what it is about stands there where we think. Else it was given back."""
        self._preflight.check_patient_link(claim, snapshot, recorder)
        if self._preflight.is_unlinked(claim, snapshot) and not self._preflight.link(
            claim, snapshot, recorder
        ):
            return False
        return not self._preflight.forget_lost_remote_ids(claim, snapshot, recorder)

    def _record_success(self, turn: _ClaimedTurn) -> None:
        # Else there is nothing to take back; what somebody counts meanwhile, the next one does.
        if not turn.is_breaker_clear and self._connection.client.answers_in_this_thread > turn.answers_before:
            self._breaker.record_success(self._clock())

    def _handle_halt(
        self, halt: LaneHalted, recorder: ClaimRecorder, unrecorded_writes: Collection[str]
    ) -> bool:
        now, classified = self._clock(), halt.classified
        pauses = classified.response_class in PAUSES
        try:
            if pauses:
                recorder.release()
            else:
                recorder.put_back(classified, [d.seq for d in halt.possibly_written])
        except LeaseLost:  # the lane is another's by now; what the destination answered counts all the same
            if unrecorded_writes:
                recorder.mark_unverified(unrecorded_writes)
        if pauses:
            self._breaker.pause(now, classified.reason or "the destination refuses us", classified.status)
            return False
        if self._stop.is_set() and classified.status is None:
            return False  # we may have cut the call off ourselves: that says nothing about the destination
        if classified.reason == WAITING_FOR_SEARCH_INDEX:
            return True  # it answers; its search is behind, as we knew
        if classified is GIVEN_BACK_UNVERIFIED:
            return False
        if classified.status == 409:
            return True  # a race about one resource says nothing about the destination's health
        self._breaker.record_failure(
            now, classified.reason or f"status {classified.status}", classified.after_seconds
        )
        return True

    def _retry_after_fault(self, unexpected: Exception, claim: ClaimedLane, recorder: ClaimRecorder) -> bool:
        """A fault of ours: the lane backs off like any other that fails, and is dead with a work item after its time."""
        structlog.get_logger().error(
            "delivery failed unexpectedly", destination=claim.destination, place=error_location(unexpected)
        )
        with suppress(LeaseLost):
            reason = "a fault of ours; the log names the place"
            recorder.put_back(
                ClassifiedResponse(HttpResponseClass.UNKNOWN, None, reason), [d.seq for d in claim.deliveries]
            )
        return True

    def _capability(self) -> Capability | None:
        """What it can do; None where that cannot be found out now. To ask is a call too: of a sick server, the probe."""
        closed, last_capability = self._breaker.is_closed(), self._connection.last_capability
        if last_capability is not None and not closed:
            return last_capability  # what it said before lets its deliveries be tried, and age
        if not closed and (
            not self._breaker.try_begin(self._clock(), self._call_limit) or self._breaker.is_open()
        ):
            return None
        try:
            capability = self._connection.capability(self._clock())
            if not closed:
                self._breaker.release_probe(self._clock())
            return capability
        except WireFailure as failure:
            # While stopping we may have cut the call off ourselves; what was answered counts.
            if not self._stop.is_set() or isinstance(failure, NotReadable):
                self._breaker.record_failure(self._clock(), str(failure), failure.after_seconds)
        except Refused as refusal:
            self._breaker.pause(self._clock(), str(refusal), None)
        return None

    def _is_anything_due(self) -> bool:
        now = self._clock()
        with self._store.read() as uow:
            if not breakers.may_call(uow.breakers.get(self._connection.id), now):
                return False
            return uow.delivery_checks.has_due_lane(self._connection.id, now=now)

    def _resume_waiting(self) -> None:
        now, to = self._clock(), self._connection.id
        with self._store.begin_without_publishing() as uow:
            uow.delivery_checks.reset_times_ahead_of_clock(to, now=now)
            # Taken by a holder that nobody is again, it is free once it has run out: for one process, once an hour.
            if uow.leases.acquire(f"waiting {to}", uuid4().hex, now=now, duration=RESUME_WAITING_EVERY):
                for lane in uow.delivery_checks.list_waiting_lanes(to):
                    uow.outbox.resume(to, lane, now=now)
