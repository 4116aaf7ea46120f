"""What holds in our own tables at every moment: the flag with its response, one holder a lane, acts in the audit."""

from collections.abc import Iterator

from tests.soak.checks.names import Names
from tests.soak.checks.violation import Violation
from tests.soak.history import Acknowledged, History, Kept, Leased


def flag_with_its_response(history: History, names: Names) -> Iterator[Violation]:
    """No commit leaves a response whose safety item says risk without its flag."""
    for kept in history.of(Kept):
        for response in sorted(kept.at_risk - kept.flagged):
            yield Violation("risk flag", kept.at, f"{response} stands without its flag")


def one_holder(history: History, names: Names) -> Iterator[Violation]:
    """No lane is taken while another's lease runs, and only who took it last says that the EHR has something of it.

    One process may give a lane back and take it again in one commit: something new was queued meanwhile.
    """
    holders: dict[str, int] = {}
    for event in history.events:
        if isinstance(event, Leased):
            anothers = holders.get(event.lane) != event.process
            if anothers and event.ran_until is not None and event.clock < event.ran_until:
                left = event.ran_until - event.clock
                yield Violation("one holder", event.at, f"{event.lane} is taken with {left:.0f} s to run")
            holders[event.lane] = event.process
        if isinstance(event, Acknowledged) and holders.get(event.lane) != event.process:
            what = f"delivery of version {event.seq} is acknowledged by one who holds {event.lane} no more"
            yield Violation("one holder", event.at, what)


def acts_are_audited(history: History, names: Names) -> Iterator[Violation]:
    """Whatever an operator sent again is in the audit."""
    if history.audited < history.acted:
        end = max((event.at for event in history.events), default=0)
        yield Violation("audit", end, f"{history.acted} replays, {history.audited} audited")
