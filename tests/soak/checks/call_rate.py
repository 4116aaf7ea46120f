"""How often a sick EHR is called, by our own clock: few probes, and Retry-After obeyed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.soak.checks.resource_matching import ResourceMatcher
from tests.soak.checks.violation import Violation
from tests.soak.history import (
    BackoffCleared,
    History,
    ProcessContinued,
    ProcessKilled,
    ProcessStopped,
    RequestMade,
)

OPENS_AFTER = 5  # failures in a row; source: docs/guarantees.md, P7
FIRST_SPAN, LONGEST_SPAN = 2.0, 900.0  # seconds; half of it at least lies between two probes
TRANSIENT = frozenset({408, 421, 423, 425, 429, *range(500, 600)} - {501, 505, 506, 510})


@dataclass(slots=True)
class _FailureStreak:
    """Failures in a row as far as they were surely counted."""

    failures: int = 0
    until: float = 0.0
    not_before: float = 0.0  # what Retry-After said


def backs_off_from_failing_ehr(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """After five failures in a row half a doubling span lies between two calls; Retry-After is waited for."""
    streak = _FailureStreak()
    has_statement: set[int] = set()  # processes that go on with what a server said of itself yesterday
    stopped = {one.process for one in history.events_of(ProcessStopped)}
    for _, event, begins in _in_order(history):
        if isinstance(event, BackoffCleared):
            streak = _FailureStreak()
        elif begins:
            yield from _check_too_soon(event, streak)
        elif not is_failure(event):
            streak = _FailureStreak()
            if event.path == "metadata":
                has_statement.add(event.process)
        elif _is_not_counted(event, has_statement, stopped):
            continue
        else:
            streak.failures += 1
            streak.until = max(streak.until, event.clock_until)
            if event.after_seconds is not None:
                streak.not_before = max(streak.not_before, event.clock_until + event.after_seconds)


def _in_order(history: History) -> list[tuple[int, Any, bool]]:
    """Every request as it begins and as everybody can know its answer: one that began before knew nothing of it.

    A failure is known once its process went on: paused with the answer in its hands it has told nobody yet, and killed
    with it, never. What was forgiven in between may have been forgiven too.
    """
    cleared = history.events_of(BackoffCleared)
    moments: list[tuple[int, Any, bool]] = [(one.at, one, False) for one in cleared]
    next_activity: dict[int, int | None] = {}  # process: when it next did something; None: it was killed
    for event in reversed(history.events):
        if isinstance(event, RequestMade):
            known = next_activity.get(event.process, event.until) if is_failure(event) else event.until
            moments.append((event.at, event, True))
            if known is not None and not any(event.until <= one.at <= known for one in cleared):
                moments.append((known, event, False))
            next_activity[event.process] = event.at
        elif isinstance(event, ProcessContinued):
            next_activity[event.process] = event.at
        elif isinstance(event, ProcessKilled):
            next_activity[event.process] = None
    return sorted(moments, key=lambda moment: (moment[0], moment[2]))


def is_failure(request: RequestMade) -> bool:
    """Whether it says that the EHR does not work."""
    return request.call_result != "answered" or request.status in TRANSIENT


def _check_too_soon(request: RequestMade, streak: _FailureStreak) -> Iterator[Violation]:
    if streak.failures < OPENS_AFTER and not streak.not_before:
        return
    seconds_between = 0.0
    if streak.failures >= OPENS_AFTER:
        seconds_between = min(FIRST_SPAN * 2.0 ** (streak.failures - OPENS_AFTER), LONGEST_SPAN) / 2
    earliest = max(streak.until + seconds_between, streak.not_before)
    if request.clock < earliest - 0.001:
        what = f"called {earliest - request.clock:.3f} s too soon after {streak.failures} failures"
        yield Violation("bounded load", request.at, what)


def _is_not_counted(request: RequestMade, has_statement: set[int], stopped: set[int]) -> bool:
    """Whether it is not held against the EHR: a statement that is read anew, or a call that we may have cut off."""
    if request.path == "metadata" and request.process in has_statement:
        return request.after_seconds is None
    return request.process in stopped and request.status is None
