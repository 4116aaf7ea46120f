"""Checks that what was committed is sent in its order, or is visible to a person."""

from collections.abc import Iterator

from tests.soak.checks.ehr_content_rules import find_first_arrivals
from tests.soak.checks.resource_matching import DatedReference, ResourceMatcher, references_of
from tests.soak.checks.violation import Violation
from tests.soak.history import (
    ConsentChanged,
    DeliveryStateChanged,
    EhrEmptied,
    FinalDelivery,
    History,
    RemoteVersionStored,
    VersionCommitted,
)

SHARED_TYPES = frozenset(
    {"CodeSystem", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "ValueSet"}
)
"""They travel before everybody's lane: order is promised within a person's."""

EDITED_REASON = "edited at the destination"


def no_loss(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """Every version that may leave is queued, and every delivery ends where it should."""
    rows = {final.seq: final for final in history.deliveries}
    yield from _check_queued(history, matcher, rows)
    newest = {final.reference: final for final in sorted(history.deliveries, key=lambda f: f.version)}
    final_states = _FinalStates(history, matcher, newest)
    for final in history.deliveries:
        wrong = final_states.wrong(final)
        if wrong:
            yield Violation(
                "no loss", _last_position(history), f"{final.reference} version {final.version}: {wrong}"
            )


def order_per_person(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """What came about later never arrives before what came about earlier of the same person.

    What something earlier refers to may go with it, however late it came about; what is parked holds up nobody.
    """
    arrived = find_first_arrivals(history, matcher)
    left_queue_at: dict[int, int] = {}
    for ended in history.events_of(DeliveryStateChanged):
        left_queue_at.setdefault(ended.seq, ended.at)
    for all_of in _lanes(history).values():
        by_name = {(one.reference, one.version): one for one in all_of}
        for (reference, version), when, standing in _writes(history, matcher):
            later = by_name.get((reference, version))
            if later is None:
                continue
            rank = _rank(later, [one for one in all_of if one.at < when])
            for earlier in all_of:
                if earlier.event >= rank or left_queue_at.get(earlier.seq, when) < when:
                    continue
                if arrived.get((earlier.reference, earlier.version), when + 1) <= when:
                    continue
                if standing.get(earlier.reference, b"") != matcher.normalised(
                    earlier
                ):  # else there was nothing to do
                    what = f"{reference} v{version} before {earlier.reference} v{earlier.version}"
                    yield Violation("order", when, what)


def _lanes(history: History) -> dict[str, list[VersionCommitted]]:
    lanes: dict[str, list[VersionCommitted]] = {}
    for one in history.events_of(VersionCommitted):
        if (
            one.person is not None
            and _may_be_sent(one)
            and one.reference.partition("/")[0] not in SHARED_TYPES
        ):
            lanes.setdefault(one.person, []).append(one)
    return lanes


def _writes(
    history: History, matcher: ResourceMatcher
) -> Iterator[tuple[tuple[str, int], int, dict[str, bytes]]]:
    """What we wrote, as the oldest version that says so, with its request, and what of ours stands there then."""
    standing: dict[str, bytes] = {}
    for event in history.events_of(RemoteVersionStored):
        our_reference = matcher.our_reference(event.remote_reference, event.at)
        if event.by is None or event.content is None or our_reference is None:
            continue
        normalised = standing[our_reference] = matcher.normalised(event)
        same = [
            v.version
            for v in matcher.versions[our_reference]
            if v.at < event.at and matcher.normalised(v) == normalised
        ]
        if same:
            yield (our_reference, min(same)), event.by, standing


def _rank(one: VersionCommitted, lane: list[VersionCommitted]) -> int:
    """The earliest event of it and of all that refers to it, through others too."""
    newest = {other.reference: other for other in lane}
    rank, grown = {one.reference}, True
    while grown:
        more = {
            other.reference
            for other in newest.values()
            if other.reference not in rank and not rank.isdisjoint(references_of(other.content))
        }
        grown = bool(more)
        rank |= more
    return min([one.event, *(newest[reference].event for reference in rank if reference in newest)])


def _check_queued(
    history: History, matcher: ResourceMatcher, rows: dict[int, FinalDelivery]
) -> Iterator[Violation]:
    for versions in matcher.versions.values():
        for one, after in zip(versions, [*versions[1:], None], strict=True):
            overtaken = after is not None and after.event == one.event
            if _may_be_sent(one) and one.seq not in rows and not overtaken:
                yield Violation("no loss", one.at, f"{one.reference} version {one.version} was never queued")


class _FinalStates:
    """Says of one delivery what is wrong about where it stands at the end."""

    def __init__(self, history: History, matcher: ResourceMatcher, newest: dict[str, FinalDelivery]) -> None:
        self._history = history
        self._matcher = matcher
        self._newest = newest
        self._alerted = {about for _, about in history.work_items}
        self._consents = {one.person: one.is_shared for one in history.events_of(ConsentChanged)}
        self._remote_versions: dict[str, list[RemoteVersionStored]] = {}
        theirs: set[DatedReference] = set()  # what they made themselves, though it is about somebody of ours
        for stood in history.events_of(RemoteVersionStored):
            our_reference = matcher.our_reference(stood.remote_reference, stood.at)
            remote_reference = matcher.remote_reference(stood.remote_reference, stood.at)
            if stood.version == 1 and stood.by is None:
                theirs.add(remote_reference)
            if our_reference is not None and remote_reference not in theirs:
                self._remote_versions.setdefault(our_reference, []).append(stood)
        self._emptied = max((e.at for e in history.events_of(EhrEmptied)), default=0)

    def wrong(self, final: FinalDelivery) -> str | None:
        """What is wrong, None for nothing."""
        one = next(v for v in self._matcher.versions[final.reference] if v.seq == final.seq)
        is_newest = self._newest[final.reference].seq == final.seq
        match final.state:
            case "sent":
                return self._sent(one) if is_newest else None
            case "superseded":
                is_superseded = not is_newest or self._is_newer_at_ehr(one) or self._is_newer_withheld(one)
                return None if is_superseded else "it gave way to nothing"
            case "dead":
                return self._dead(one, final.reason)
            case "waiting":
                return self._waiting(one)
            case "withheld":
                is_shared = self._consents.get(str(one.person), True)
                return "the consent covers it" if is_shared and is_newest else None
            case "not_wanted":
                fits = self._history.theirs and final.reference.startswith("Patient/")
                return None if fits else "the EHR takes it"
        return f"it is left {final.state}"

    def _sent(self, one: VersionCommitted) -> str | None:
        stood = self._remote_versions.get(one.reference, [])
        normalised = self._matcher.normalised(one)
        there = [s.at for s in stood if s.content is not None and self._matcher.normalised(s) == normalised]
        if not there:
            return "it counts as sent and never stood there"
        last = stood[-1]
        if last.at == there[-1] and last.at > self._emptied:
            return None
        if last.at < self._emptied:
            lost = "it counts as sent, the EHR has lost it, and nobody noticed"
            return lost if self._history.is_reconciled else None
        if any(s.by is None and s.at > there[-1] for s in stood):
            is_alerted = f"delivery/hospital/{one.reference}" in self._alerted
            return (
                None
                if is_alerted or not self._history.is_reconciled
                else "somebody changed it, and nobody is told"
            )
        return "it counts as sent, and something else of ours stands there"

    def _is_newer_at_ehr(self, one: VersionCommitted) -> bool:
        newer = {
            self._matcher.normalised(v)
            for v in self._matcher.versions[one.reference]
            if v.version > one.version
        }
        return any(
            s.content is not None and self._matcher.normalised(s) in newer
            for s in self._remote_versions.get(one.reference, [])
        )

    def _is_newer_withheld(self, one: VersionCommitted) -> bool:
        """Whether a newer version came about when the consent did not cover it: given again, all is queued anew."""
        newer = [v for v in self._matcher.versions[one.reference] if v.version > one.version]
        return bool(newer) and not _may_be_sent(newer[-1])

    def _dead(self, one: VersionCommitted, reason: str | None) -> str | None:
        if f"delivery/hospital/{one.reference}" not in self._alerted:
            return "it is dead and nobody is told"
        if reason == EDITED_REASON:
            edited = any(s.by is None for s in self._remote_versions.get(one.reference, []))
            return None if edited else "it is said to be edited, and nobody did"
        if self._was_changed_at_ehr(one) or (self._emptied and not self._history.is_reconciled):
            return None
        if one.is_record and not self._consents.get(str(one.person), True):
            return None  # what would put it right stays here
        if f"destination/hospital/person/{one.person}" in self._alerted:
            return None  # what would put it right waits until somebody has decided who the person is there
        return "it is dead without a cause"

    def _was_changed_at_ehr(self, one: VersionCommitted) -> bool:
        """Whether somebody at the EHR changed or deleted it, or what it refers to."""
        chain = {one.reference, *references_of(one.content)}
        return any(s.by is None for ref in chain for s in self._remote_versions.get(ref, []))

    def _waiting(self, one: VersionCommitted) -> str | None:
        if f"destination/hospital/person/{one.person}" in self._alerted:
            return None
        held_up = {
            ref
            for ref in references_of(one.content)
            if ref in self._newest and self._newest[ref].state in ("dead", "waiting")
        }
        return None if held_up else "it waits for nothing that a person is told of"


def _may_be_sent(one: VersionCommitted) -> bool:
    return one.is_shared or not one.is_record


def _last_position(history: History) -> int:
    return max((event.at for event in history.events), default=0)
