"""How often a sick EHR is called, by our own clock: few probes, and Retry-After obeyed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.soak.checks.names import Names
from tests.soak.checks.violation import Violation
from tests.soak.history import Asked, Died, Done, Forgiven, History, Stopped

OPENS_AFTER = 5  # failures in a row; source: docs/guarantees.md, P7
FIRST_SPAN, LONGEST_SPAN = 2.0, 900.0  # seconds; half of it at least lies between two probes
TRANSIENT = frozenset({408, 421, 423, 425, 429, *range(500, 600)} - {501, 505, 506, 510})


@dataclass(slots=True)
class _Row:
    """Failures in a row as far as they were surely counted."""

    counted: int = 0
    until: float = 0.0
    not_before: float = 0.0  # what Retry-After said


def spares_the_sick(history: History, names: Names) -> Iterator[Violation]:
    """After five failures in a row half a doubling span lies between two calls; Retry-After is waited for."""
    row = _Row()
    has_statement: set[int] = set()  # processes that go on with what a server said of itself yesterday
    stopped = {one.process for one in history.of(Stopped)}
    for _, event, begins in _in_order(history):
        if isinstance(event, Forgiven):
            row = _Row()
        elif begins:
            yield from _too_soon(event, row)
        elif not is_failure(event):
            row = _Row()
            if event.path == "metadata":
                has_statement.add(event.process)
        elif _says_nothing(event, has_statement, stopped):
            continue
        else:
            row.counted += 1
            row.until = max(row.until, event.clock_until)
            if event.after_seconds is not None:
                row.not_before = max(row.not_before, event.clock_until + event.after_seconds)


def _in_order(history: History) -> list[tuple[int, Any, bool]]:
    """Every request as it begins and as everybody can know its answer: one that began before knew nothing of it.

    A failure is known once its process went on: paused with the answer in its hands it has told nobody yet, and killed
    with it, never. What was forgiven in between may have been forgiven too.
    """
    forgiven = history.of(Forgiven)
    moments: list[tuple[int, Any, bool]] = [(one.at, one, False) for one in forgiven]
    goes_on: dict[int, int | None] = {}  # process: when it next did something; None: it was killed
    for event in reversed(history.events):
        if isinstance(event, Asked):
            known = goes_on.get(event.process, event.until) if is_failure(event) else event.until
            moments.append((event.at, event, True))
            if known is not None and not any(event.until <= one.at <= known for one in forgiven):
                moments.append((known, event, False))
            goes_on[event.process] = event.at
        elif isinstance(event, Done):
            goes_on[event.process] = event.at
        elif isinstance(event, Died):
            goes_on[event.process] = None
    return sorted(moments, key=lambda moment: (moment[0], moment[2]))


def is_failure(asked: Asked) -> bool:
    """Whether it says that the EHR does not work."""
    return asked.outcome != "answered" or asked.status in TRANSIENT


def _too_soon(asked: Asked, row: _Row) -> Iterator[Violation]:
    if row.counted < OPENS_AFTER and not row.not_before:
        return
    waits = 0.0
    if row.counted >= OPENS_AFTER:
        waits = min(FIRST_SPAN * 2.0 ** (row.counted - OPENS_AFTER), LONGEST_SPAN) / 2
    earliest = max(row.until + waits, row.not_before)
    if asked.clock < earliest - 0.001:
        what = f"called {earliest - asked.clock:.3f} s too soon after {row.counted} failures"
        yield Violation("bounded load", asked.at, what)


def _says_nothing(asked: Asked, has_statement: set[int], stopped: set[int]) -> bool:
    """Whether it is not held against the EHR: a statement that is read anew, or a call that we may have cut off."""
    if asked.path == "metadata" and asked.process in has_statement:
        return asked.after_seconds is None
    return asked.process in stopped and asked.status is None
