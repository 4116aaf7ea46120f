"""What we committed leaves the house, in its order, or stands where a person sees it."""

from collections.abc import Iterator

from tests.soak.checks.names import Names, Place, references_of
from tests.soak.checks.standing import first_arrivals
from tests.soak.checks.violation import Violation
from tests.soak.history import Committed, Consented, Emptied, Ended, Final, History, Stood

SHARED_BY_MANY = frozenset(
    {"CodeSystem", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "ValueSet"}
)
"""They travel before everybody's lane: order is promised within a person's."""

EDITED = "edited at the destination"


def no_loss(history: History, names: Names) -> Iterator[Violation]:
    """Every version that may leave is queued, and every delivery ends where it should."""
    rows = {final.seq: final for final in history.deliveries}
    yield from _queued(history, names, rows)
    newest = {final.reference: final for final in sorted(history.deliveries, key=lambda f: f.version)}
    judge = _Judge(history, names, newest)
    for final in history.deliveries:
        wrong = judge.wrong(final)
        if wrong:
            yield Violation("no loss", _end(history), f"{final.reference} version {final.version}: {wrong}")


def order_per_person(history: History, names: Names) -> Iterator[Violation]:
    """What came about later never arrives before what came about earlier of the same person.

    What something earlier refers to may go with it, however late it came about; what is parked holds up nobody.
    """
    arrived = first_arrivals(history, names)
    left_way: dict[int, int] = {}
    for ended in history.of(Ended):
        left_way.setdefault(ended.seq, ended.at)
    for all_of in _lanes(history).values():
        by_name = {(one.reference, one.version): one for one in all_of}
        for (reference, version), when, standing in _writes(history, names):
            later = by_name.get((reference, version))
            if later is None:
                continue
            rank = _rank(later, [one for one in all_of if one.at < when])
            for earlier in all_of:
                if earlier.event >= rank or left_way.get(earlier.seq, when) < when:
                    continue
                if arrived.get((earlier.reference, earlier.version), when + 1) <= when:
                    continue
                if standing.get(earlier.reference, b"") != names.said(
                    earlier
                ):  # else there was nothing to do
                    what = f"{reference} v{version} before {earlier.reference} v{earlier.version}"
                    yield Violation("order", when, what)


def _lanes(history: History) -> dict[str, list[Committed]]:
    lanes: dict[str, list[Committed]] = {}
    for one in history.of(Committed):
        if one.person is not None and _leaves(one) and one.reference.partition("/")[0] not in SHARED_BY_MANY:
            lanes.setdefault(one.person, []).append(one)
    return lanes


def _writes(history: History, names: Names) -> Iterator[tuple[tuple[str, int], int, dict[str, bytes]]]:
    """What we wrote, as the oldest version that says so, with its request, and what of ours stands there then."""
    standing: dict[str, bytes] = {}
    for event in history.of(Stood):
        ours = names.ours(event.place, event.at)
        if event.by is None or event.content is None or ours is None:
            continue
        said = standing[ours] = names.said(event)
        same = [v.version for v in names.versions[ours] if v.at < event.at and names.said(v) == said]
        if same:
            yield (ours, min(same)), event.by, standing


def _rank(one: Committed, lane: list[Committed]) -> int:
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


def _queued(history: History, names: Names, rows: dict[int, Final]) -> Iterator[Violation]:
    for versions in names.versions.values():
        for one, after in zip(versions, [*versions[1:], None], strict=True):
            overtaken = after is not None and after.event == one.event
            if _leaves(one) and one.seq not in rows and not overtaken:
                yield Violation("no loss", one.at, f"{one.reference} version {one.version} was never queued")


class _Judge:
    """Says of one delivery what is wrong about where it stands at the end."""

    def __init__(self, history: History, names: Names, newest: dict[str, Final]) -> None:
        self._history = history
        self._names = names
        self._newest = newest
        self._about = {about for _, about in history.work_items}
        self._consents = {one.person: one.shared for one in history.of(Consented)}
        self._stood: dict[str, list[Stood]] = {}
        theirs: set[Place] = set()  # what they made themselves, though it is about somebody of ours
        for stood in history.of(Stood):
            ours = names.ours(stood.place, stood.at)
            place = names.place(stood.place, stood.at)
            if stood.version == 1 and stood.by is None:
                theirs.add(place)
            if ours is not None and place not in theirs:
                self._stood.setdefault(ours, []).append(stood)
        self._emptied = max((e.at for e in history.of(Emptied)), default=0)

    def wrong(self, final: Final) -> str | None:
        """What is wrong, None for nothing."""
        one = next(v for v in self._names.versions[final.reference] if v.seq == final.seq)
        is_newest = self._newest[final.reference].seq == final.seq
        match final.state:
            case "sent":
                return self._sent(one) if is_newest else None
            case "superseded":
                gave_way = not is_newest or self._is_newer_there(one) or self._newer_stays_here(one)
                return None if gave_way else "it gave way to nothing"
            case "dead":
                return self._dead(one, final.reason)
            case "waiting":
                return self._waiting(one)
            case "withheld":
                shared = self._consents.get(str(one.person), True)
                return "the consent covers it" if shared and is_newest else None
            case "not_wanted":
                fits = self._history.theirs and final.reference.startswith("Patient/")
                return None if fits else "the EHR takes it"
        return f"it is left {final.state}"

    def _sent(self, one: Committed) -> str | None:
        stood = self._stood.get(one.reference, [])
        said = self._names.said(one)
        there = [s.at for s in stood if s.content is not None and self._names.said(s) == said]
        if not there:
            return "it counts as sent and never stood there"
        last = stood[-1]
        if last.at == there[-1] and last.at > self._emptied:
            return None
        if last.at < self._emptied:
            lost = "it counts as sent, the EHR has lost it, and nobody noticed"
            return lost if self._history.reconciled else None
        if any(s.by is None and s.at > there[-1] for s in stood):
            told = f"delivery/hospital/{one.reference}" in self._about
            return None if told or not self._history.reconciled else "somebody changed it, and nobody is told"
        return "it counts as sent, and something else of ours stands there"

    def _is_newer_there(self, one: Committed) -> bool:
        newer = {self._names.said(v) for v in self._names.versions[one.reference] if v.version > one.version}
        return any(
            s.content is not None and self._names.said(s) in newer for s in self._stood.get(one.reference, [])
        )

    def _newer_stays_here(self, one: Committed) -> bool:
        """Whether a newer version came about when the consent did not cover it: given again, all is queued anew."""
        newer = [v for v in self._names.versions[one.reference] if v.version > one.version]
        return bool(newer) and not _leaves(newer[-1])

    def _dead(self, one: Committed, reason: str | None) -> str | None:
        if f"delivery/hospital/{one.reference}" not in self._about:
            return "it is dead and nobody is told"
        if reason == EDITED:
            edited = any(s.by is None for s in self._stood.get(one.reference, []))
            return None if edited else "it is said to be edited, and nobody did"
        if self._somebody_was_there(one) or (self._emptied and not self._history.reconciled):
            return None
        if one.record and not self._consents.get(str(one.person), True):
            return None  # what would put it right stays here
        if f"destination/hospital/person/{one.person}" in self._about:
            return None  # what would put it right waits until somebody has decided who the person is there
        return "it is dead without a cause"

    def _somebody_was_there(self, one: Committed) -> bool:
        """Whether somebody at the EHR changed or deleted it, or what it refers to."""
        chain = {one.reference, *references_of(one.content)}
        return any(s.by is None for ref in chain for s in self._stood.get(ref, []))

    def _waiting(self, one: Committed) -> str | None:
        if f"destination/hospital/person/{one.person}" in self._about:
            return None
        held_up = {
            ref
            for ref in references_of(one.content)
            if ref in self._newest and self._newest[ref].state in ("dead", "waiting")
        }
        return None if held_up else "it waits for nothing that a person is told of"


def _leaves(one: Committed) -> bool:
    return one.shared or not one.record


def _end(history: History) -> int:
    return max((event.at for event in history.events), default=0)
