"""What holds in our own tables at every moment: the flag with its response, the audit with what was done."""

from collections.abc import Iterator

from tests.soak.checks.names import Names
from tests.soak.checks.violation import Violation
from tests.soak.history import History, Kept


def flag_with_its_response(history: History, names: Names) -> Iterator[Violation]:
    """No commit leaves a response whose safety item says risk without its flag."""
    for kept in history.of(Kept):
        for response in sorted(kept.at_risk - kept.flagged):
            yield Violation("risk flag", kept.at, f"{response} stands without its flag")


def acts_are_audited(history: History, names: Names) -> Iterator[Violation]:
    """Whatever an operator sent again is in the audit."""
    if history.audited < history.acted:
        end = max((event.at for event in history.events), default=0)
        yield Violation("audit", end, f"{history.acted} replays, {history.audited} audited")
