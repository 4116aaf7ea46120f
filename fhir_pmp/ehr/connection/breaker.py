"""Circuit breaker of a destination: five failures open it, a successful probe closes it."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from fhir_pmp.ehr.config.work_item_kinds import DESTINATION_PAUSED
from fhir_pmp.ehr.transport.retry_after import LONGEST_DELAY, LONGEST_WAIT, backoff_span
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Store
from fhir_pmp.store.remote_state.breakers import Breaker

OPENS_AFTER = 5
"""Transient failures in a row."""
LATEST_PROBE_IN = timedelta(seconds=LONGEST_WAIT + LONGEST_DELAY)
PAUSED_PROBE_AFTER = timedelta(hours=1)
"""A refused sign-in or a certificate is for a person to mend; once an hour we see whether that was done."""

_WHAT = (
    "Nothing goes to this destination; the reason says why. Where it refuses us, not the data, look at address, "
    "certificate and sign-in; where its server does not honour what keeps resources from doubling or going back, show "
    "its team what `fhir-pmp probe` says."
)
CLOSED, OPEN, HALF_OPEN, PAUSED, RECOVERING = "closed", "open", "half_open", "paused", "recovering"


def may_call(breaker: Breaker, now: datetime) -> bool:
    """Whether a call may be made now.

    Unless the breaker is closed or recovering, that call is the probe.
    """
    if breaker.state in (CLOSED, RECOVERING) or breaker.probe_at is None:
        return breaker.state in (CLOSED, RECOVERING)
    # Nothing is ever put off for so long: the clock was ahead when it was, and has been put right since.
    return breaker.probe_at <= now or breaker.probe_at > now + LATEST_PROBE_IN


def seconds_until_next_lane(breaker: Breaker, now: datetime) -> float:
    """Seconds until the next lane while the backlog of an outage drains; at most 1."""
    if breaker.state != RECOVERING or breaker.probe_at is None:
        return 0.0
    return min(max((breaker.probe_at - now).total_seconds(), 0.0), 1.0)


def after_lane_begun(breaker: Breaker, now: datetime, per_second: float, rng: Random) -> Breaker:
    """Returns the breaker after a lane of the backlog was started.

    The next lane starts after a jittered gap, whichever process claims it.
    """
    gap = min(rng.uniform(0.5, 1.5) / per_second, 1.0)
    return replace(breaker, probe_at=now + timedelta(seconds=gap))


def after_probe_sent(breaker: Breaker, now: datetime, longest: timedelta) -> Breaker:
    """One has gone to probe; the next may go when it has had its time."""
    return replace(
        breaker, state=HALF_OPEN if breaker.state == OPEN else breaker.state, probe_at=now + longest
    )


def after_success(breaker: Breaker) -> Breaker:
    """Returns the breaker after a working server answered, even if it refused the data.

    The backlog then drains at a limited rate.
    """
    return Breaker() if breaker.state == CLOSED else Breaker(RECOVERING)


def drain_slowly(breaker: Breaker) -> Breaker:
    """Limits the rate, as after an outage, for many deliveries that an operator queued."""
    return Breaker(RECOVERING) if breaker.state == CLOSED else breaker


def after_failure(
    breaker: Breaker, now: datetime, reason: str, after_seconds: float | None, rng: Random
) -> Breaker:
    """Returns the breaker after a transient failure.

    A Retry-After applies to every process, so it opens the breaker at once.
    """
    failures = breaker.failures + 1
    if failures < OPENS_AFTER and breaker.state == CLOSED and after_seconds is None:
        return replace(breaker, failures=failures, reason=reason)
    opened = breaker.opened_at or now
    waits = seconds_between_probes(max(failures - OPENS_AFTER + 1, 1), after_seconds, rng)
    return Breaker(OPEN, failures, opened, now + timedelta(seconds=waits), reason)


def seconds_between_probes(probes: int, after_seconds: float | None, rng: Random) -> float:
    """Seconds until the next probe: half of a doubling span plus a random part.

    The span doubles from 2 s to 15 min. Not full jitter, which may give 0: the load on a failing server must be bounded.
    """
    least = backoff_span(probes) / 2
    return max(least + rng.uniform(0.0, least), after_seconds or 0.0)


def after_refusal(breaker: Breaker, now: datetime, reason: str) -> Breaker:
    """Returns the breaker after the server refused our access rather than the data.

    No call is made until an operator has looked, or an hour has passed.
    """
    opened = breaker.opened_at or now
    return Breaker(PAUSED, breaker.failures, opened, now + PAUSED_PROBE_AFTER, reason)


class StoredBreaker:
    """The breaker of one destination in the store, where every process sees it."""

    def __init__(self, store: Store, destination: DestinationId, rng: Random) -> None:
        self._store = store
        self._destination = destination
        self._chance = rng

    def try_begin(self, now: datetime, longest: timedelta) -> bool:
        """Whether calls may be made now; unless closed, the caller gets the only probe."""
        with self._store.read() as uow:
            if uow.breakers.get(self._destination).state == CLOSED:
                return True
        with self._store.begin_without_publishing() as uow:
            breaker = uow.breakers.get_for_update(self._destination)
            if not may_call(breaker, now):
                return False
            if breaker.state not in (CLOSED, RECOVERING):
                uow.breakers.put(self._destination, after_probe_sent(breaker, now, longest))
        return True

    def release_probe(self, now: datetime) -> None:
        """Releases the probe: it found the server answering and goes on with another call.

        Whichever process is next continues from here.
        """
        with self._store.begin_without_publishing() as uow:
            breaker = uow.breakers.get_for_update(self._destination)
            if breaker.state not in (CLOSED, RECOVERING):
                uow.breakers.put(self._destination, replace(breaker, probe_at=now))

    def is_open(self) -> bool:
        """Whether another process was refused or asked to wait; work under way then stops."""
        with self._store.read() as uow:
            return uow.breakers.get(self._destination).state == OPEN

    def is_closed(self) -> bool:
        """Whether nothing is known to be wrong."""
        with self._store.read() as uow:
            return uow.breakers.get(self._destination).state == CLOSED

    def record_success(self, now: datetime) -> None:
        """Lets everybody call again, and closes the work item of a pause."""
        with self._store.read() as uow:
            before = uow.breakers.get(self._destination)
            if before == Breaker() or before.state == RECOVERING:
                return
        with self._store.begin_without_publishing() as uow:
            uow.breakers.put(self._destination, after_success(uow.breakers.get_for_update(self._destination)))
            uow.work_items.close_about(
                DESTINATION_PAUSED, self._about, by="sync", how="the destination answers again", now=now
            )

    def record_failure(self, now: datetime, reason: str, after_seconds: float | None) -> None:
        """Counts a transient failure."""
        with self._store.begin_without_publishing() as uow:
            before = uow.breakers.get_for_update(self._destination)
            after = after_failure(before, now, reason, after_seconds, self._chance)
            uow.breakers.put(self._destination, after)

    def pause(self, now: datetime, reason: str, status: int | None) -> None:
        """Stops calling, and calls a person."""
        with self._store.begin_without_publishing() as uow:
            before = uow.breakers.get_for_update(self._destination)
            uow.breakers.put(self._destination, after_refusal(before, now, reason))
            uow.work_items.open(
                DESTINATION_PAUSED,
                about=self._about,
                role="administrator",
                what=_WHAT,
                now=now,
                details={"destination": self._destination, "status": status, "reason": reason},
            )

    @property
    def _about(self) -> str:
        return f"destination/{self._destination}"
