"""What holds in our own tables at every moment: the flag with its response, one holder a lane, acts in the audit."""

from collections.abc import Iterator

from tests.soak.checks.resource_matching import ResourceMatcher
from tests.soak.checks.violation import Violation
from tests.soak.history import DeliveryAcknowledged, History, LaneClaimed, SafetyRowsChanged


def flag_with_its_response(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """No commit leaves a response whose safety item says risk without its flag."""
    for safety_rows in history.events_of(SafetyRowsChanged):
        for response in sorted(safety_rows.at_risk - safety_rows.flagged):
            yield Violation("risk flag", safety_rows.at, f"{response} stands without its flag")


def one_lease_holder_per_lane(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """No lane is taken while another's lease runs, and only who took it last says that the EHR has something of it.

    One process may give a lane back and take it again in one commit: something new was queued meanwhile.
    """
    holders: dict[str, int] = {}
    for event in history.events:
        if isinstance(event, LaneClaimed):
            is_held_by_another = holders.get(event.lane) != event.process
            if (
                is_held_by_another
                and event.previous_lease_until is not None
                and event.clock < event.previous_lease_until
            ):
                left = event.previous_lease_until - event.clock
                yield Violation("one holder", event.at, f"{event.lane} is taken with {left:.0f} s to run")
            holders[event.lane] = event.process
        if isinstance(event, DeliveryAcknowledged) and holders.get(event.lane) != event.process:
            what = f"delivery of version {event.seq} is acknowledged by one who holds {event.lane} no more"
            yield Violation("one holder", event.at, what)


def replays_are_audited(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """Whatever an operator sent again is in the audit."""
    if history.audited_replay_count < history.replay_count:
        end = max((event.at for event in history.events), default=0)
        yield Violation(
            "audit", end, f"{history.replay_count} replays, {history.audited_replay_count} audited"
        )
