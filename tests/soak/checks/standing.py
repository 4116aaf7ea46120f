"""What the EHR holds over time: nothing twice, nothing older than before, nothing over somebody else's, nobody else's."""

from collections.abc import Iterator

from tests.soak.checks.names import Names, Place, keys_of, references_of
from tests.soak.checks.violation import Violation
from tests.soak.history import Asked, Committed, Consented, Emptied, History, Stood

PATIENT_ELEMENTS = ("subject", "patient", "for")


def nothing_twice(history: History, names: Names) -> Iterator[Violation]:
    """No two resources that we made bear one business identifier at the same time."""
    live: dict[tuple[str, str, str], set[str]] = {}
    made_by_us: set[str] = set()
    for event in history.events:
        if isinstance(event, Emptied):
            live.clear()
            made_by_us.clear()
        if not isinstance(event, Stood):
            continue
        for places in live.values():
            places.discard(event.place)
        if event.content is None:
            continue
        if event.version == 1 and event.by is not None:
            made_by_us.add(event.place)
        if event.place in made_by_us:
            for key in keys_of(event.content):
                live.setdefault(key, set()).add(event.place)
                if len(live[key]) > 1:
                    yield Violation("nothing twice", event.at, f"{key[0]} stands as {sorted(live[key])}")


def no_going_back(history: History, names: Names) -> Iterator[Violation]:
    """What we write is a version of ours, never an older one than we wrote there before.

    One thing no server can be asked to prevent: a first write, which names no version, of a worker that was stopped in
    the middle of its call for longer than its lease. What it did must be mended: `no_loss` looks at the end.
    """
    reached: dict[str, int] = {}
    newest: dict[str, int] = {}  # the request that brought what was reached
    first: dict[str, int] = {}  # when something first stood there
    for event in history.events:
        if isinstance(event, Emptied):
            reached.clear()
            first.clear()
        if isinstance(event, Stood):
            first.setdefault(event.place, event.at)
        if not isinstance(event, Stood) or event.by is None or event.content is None:
            continue
        ours = names.ours(event.place, event.at)
        same = [
            v.version
            for v in names.versions.get(ours or "", ())
            if v.at < event.at and names.said(v) == names.said(event)
        ]
        before = reached.get(event.place, 0)
        onward = [version for version in same if version >= before]
        if onward:
            reached[event.place], newest[event.place] = min(onward), event.by
        elif not same:
            yield Violation("no going back", event.at, f"{event.place} holds what we never committed")
        elif not event.by < min(newest[event.place], first[event.place]):
            yield Violation("no going back", event.at, f"{event.place} from {before} to {max(same)}")


def nothing_overwritten(history: History, names: Names) -> Iterator[Violation]:
    """We never write over what somebody at the EHR wrote, and never bring back what they deleted."""
    theirs: dict[str, bool] = {}
    for event in history.events:
        if isinstance(event, Emptied):
            theirs.clear()
        if not isinstance(event, Stood):
            continue
        if event.by is not None and theirs.get(event.place):
            yield Violation("nothing overwritten", event.at, f"{event.place} was somebody else's")
        theirs[event.place] = event.by is None


def right_patient(history: History, names: Names) -> Iterator[Violation]:
    """What is about a person goes to the Patient who bears their identifier and birth date, and no other."""
    patients: dict[str, Stood] = {}
    for event in history.events:
        if isinstance(event, Emptied):
            patients.clear()
        if not isinstance(event, Stood) or event.content is None:
            continue
        if event.place.startswith("Patient/"):
            patients[event.place] = event
        ours = names.ours(event.place, event.at)
        if event.by is None or ours is None or names.versions[ours][0].person is None:
            continue
        person = f"Patient/{names.versions[ours][0].person}"
        for element in PATIENT_ELEMENTS:
            about = event.content.get(element)
            if isinstance(about, dict) and isinstance(about.get("reference"), str):
                place = about["reference"]
                if not _is_this_person(patients.get(place), place, person, history, names):
                    yield Violation("right patient", event.at, f"{event.place} is {person}, goes to {place}")


def _is_this_person(there: Stood | None, place: str, person: str, history: History, names: Names) -> bool:
    if not history.theirs and not history.named_by_server:
        return place == person
    if there is None or there.content is None or there.content.get("active") is False:
        return False
    who = names.versions[person][-1].content
    born = there.content.get("birthDate") == who.get("birthDate")
    return born and not set(keys_of(there.content)).isdisjoint(keys_of(who))


def only_with_consent(history: History, names: Names) -> Iterator[Violation]:
    """No request that began after a consent was withdrawn brings anything that the consent covers."""
    consents: dict[str, list[Consented]] = {}
    for event in history.events:
        if isinstance(event, Consented):
            consents.setdefault(event.person, []).append(event)
        if not isinstance(event, Stood) or event.by is None:
            continue
        ours = names.ours(event.place, event.at)
        newest = names.versions[ours][-1] if ours is not None else None
        if newest is None or not newest.record or newest.person is None:
            continue
        said = [one.shared for one in consents.get(newest.person, ()) if one.at < event.by]
        if said and not said[-1]:
            yield Violation("only with consent", event.at, f"{event.place} came after the consent had gone")


def targets_first(history: History, names: Names) -> Iterator[Violation]:
    """What one of ours refers to had stood there before it, or came with it.

    What bears our id and was lost there since counts, until we were told that it is lost: no server says it by itself.
    """
    stood: dict[Place, int] = {}
    for event in history.events:
        if isinstance(event, Stood) and event.content is not None:
            stood.setdefault(names.place(event.place, event.at), event.at)
    lost = _losses_told(history)
    for event in history.of(Stood):
        if event.by is None or event.content is None or event.content["resourceType"] == "Bundle":
            continue
        for reference in references_of(event.content):
            is_ours = reference in names.versions or names.ours(reference, event.at) is not None
            times, place = names.place(reference, event.at)
            told = any(names.place(reference, at)[0] == times for at in lost.get(place, ()) if at < event.by)
            counts = range(times + 1) if reference in names.versions and not told else [times]
            if is_ours and all(stood.get((n, place), event.at + 1) > event.at for n in counts):
                yield Violation("order", event.at, f"{event.place} came before {reference}")


def _losses_told(history: History) -> dict[str, list[int]]:
    """By `Type/id`: when we asked for it and were answered that it is not there."""
    found: dict[str, list[int]] = {}
    for asked in history.of(Asked):
        if asked.method == "GET" and asked.status in (404, 410):
            found.setdefault(asked.path, []).append(asked.at)
    return found


def asked_by_number(history: History) -> dict[int, Asked]:
    """Requests by the number under which what they wrote is noted."""
    return {asked.at: asked for asked in history.of(Asked)}


def first_arrivals(history: History, names: Names) -> dict[tuple[str, int], int]:
    """By resource and version: the request with which it, or a later version, first stood at the EHR."""
    arrived: dict[tuple[str, int], int] = {}
    for event in history.of(Stood):
        ours = names.ours(event.place, event.at)
        if event.by is None or event.content is None or ours is None:
            continue
        for version in _same_or_before(event, names.versions[ours], names):
            arrived.setdefault((ours, version), event.by)
    return arrived


def _same_or_before(event: Stood, versions: list[Committed], names: Names) -> list[int]:
    same = [v.version for v in versions if v.at < event.at and names.said(v) == names.said(event)]
    return [v.version for v in versions if same and v.version <= max(same)]
