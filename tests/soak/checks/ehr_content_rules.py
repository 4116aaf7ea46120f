"""What the EHR holds over time: nothing twice, nothing older than before, nothing over somebody else's, nobody else's."""

from collections.abc import Iterator

from tests.soak.checks.resource_matching import DatedReference, ResourceMatcher, keys_of, references_of
from tests.soak.checks.violation import Violation
from tests.soak.history import (
    ConsentChanged,
    EhrEmptied,
    History,
    RemoteVersionStored,
    RequestMade,
    VersionCommitted,
)

PATIENT_ELEMENTS = ("subject", "patient", "for")


def no_duplicates(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """No two resources that we made bear one business identifier at the same time."""
    live: dict[tuple[str, str, str], set[str]] = {}
    made_by_us: set[str] = set()
    for event in history.events:
        if isinstance(event, EhrEmptied):
            live.clear()
            made_by_us.clear()
        if not isinstance(event, RemoteVersionStored):
            continue
        for live_references in live.values():
            live_references.discard(event.remote_reference)
        if event.content is None:
            continue
        if event.version == 1 and event.by is not None:
            made_by_us.add(event.remote_reference)
        if event.remote_reference in made_by_us:
            for key in keys_of(event.content):
                live.setdefault(key, set()).add(event.remote_reference)
                if len(live[key]) > 1:
                    yield Violation("nothing twice", event.at, f"{key[0]} stands as {sorted(live[key])}")


def no_version_rollback(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """What we write is a version of ours, never an older one than we wrote there before.

    One thing no server can be asked to prevent: a first write, which names no version, of a worker that was stopped in
    the middle of its call for longer than its lease. What it did must be mended: `no_loss` looks at the end.
    """
    reached: dict[str, int] = {}
    newest: dict[str, int] = {}  # the request that brought what was reached
    first: dict[str, int] = {}  # when something first stood there
    for event in history.events:
        if isinstance(event, EhrEmptied):
            reached.clear()
            first.clear()
        if isinstance(event, RemoteVersionStored):
            first.setdefault(event.remote_reference, event.at)
        if not isinstance(event, RemoteVersionStored) or event.by is None or event.content is None:
            continue
        our_reference = matcher.our_reference(event.remote_reference, event.at)
        same = [
            v.version
            for v in matcher.versions.get(our_reference or "", ())
            if v.at < event.at and matcher.normalised(v) == matcher.normalised(event)
        ]
        before = reached.get(event.remote_reference, 0)
        not_older = [version for version in same if version >= before]
        if not_older:
            reached[event.remote_reference], newest[event.remote_reference] = min(not_older), event.by
        elif not same:
            yield Violation(
                "no going back", event.at, f"{event.remote_reference} holds what we never committed"
            )
        elif not event.by < min(newest[event.remote_reference], first[event.remote_reference]):
            yield Violation(
                "no going back", event.at, f"{event.remote_reference} from {before} to {max(same)}"
            )


def no_foreign_edit_overwritten(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """We never write over what somebody at the EHR wrote, and never bring back what they deleted."""
    theirs: dict[str, bool] = {}
    for event in history.events:
        if isinstance(event, EhrEmptied):
            theirs.clear()
        if not isinstance(event, RemoteVersionStored):
            continue
        if event.by is not None and theirs.get(event.remote_reference):
            yield Violation("nothing overwritten", event.at, f"{event.remote_reference} was somebody else's")
        theirs[event.remote_reference] = event.by is None


def right_patient(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """What is about a person goes to the Patient who bears their identifier and birth date, and no other."""
    patients: dict[str, RemoteVersionStored] = {}
    for event in history.events:
        if isinstance(event, EhrEmptied):
            patients.clear()
        if not isinstance(event, RemoteVersionStored) or event.content is None:
            continue
        if event.remote_reference.startswith("Patient/"):
            patients[event.remote_reference] = event
        our_reference = matcher.our_reference(event.remote_reference, event.at)
        if event.by is None or our_reference is None or matcher.versions[our_reference][0].person is None:
            continue
        person = f"Patient/{matcher.versions[our_reference][0].person}"
        for element in PATIENT_ELEMENTS:
            about = event.content.get(element)
            if isinstance(about, dict) and isinstance(about.get("reference"), str):
                remote_reference = about["reference"]
                if not _is_this_person(
                    patients.get(remote_reference), remote_reference, person, history, matcher
                ):
                    yield Violation(
                        "right patient",
                        event.at,
                        f"{event.remote_reference} is {person}, goes to {remote_reference}",
                    )


def _is_this_person(
    there: RemoteVersionStored | None,
    remote_reference: str,
    person: str,
    history: History,
    matcher: ResourceMatcher,
) -> bool:
    if not history.theirs and not history.named_by_server:
        return remote_reference == person
    if there is None or there.content is None or there.content.get("active") is False:
        return False
    who = matcher.versions[person][-1].content
    born = there.content.get("birthDate") == who.get("birthDate")
    return born and not set(keys_of(there.content)).isdisjoint(keys_of(who))


def only_with_consent(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """No request that began after a consent was withdrawn brings anything that the consent covers."""
    consents: dict[str, list[ConsentChanged]] = {}
    for event in history.events:
        if isinstance(event, ConsentChanged):
            consents.setdefault(event.person, []).append(event)
        if not isinstance(event, RemoteVersionStored) or event.by is None:
            continue
        our_reference = matcher.our_reference(event.remote_reference, event.at)
        newest = matcher.versions[our_reference][-1] if our_reference is not None else None
        if newest is None or not newest.is_record or newest.person is None:
            continue
        normalised = [one.is_shared for one in consents.get(newest.person, ()) if one.at < event.by]
        if normalised and not normalised[-1]:
            yield Violation(
                "only with consent", event.at, f"{event.remote_reference} came after the consent had gone"
            )


def referenced_resources_first(history: History, matcher: ResourceMatcher) -> Iterator[Violation]:
    """What one of ours refers to had stood there before it, or came with it.

    What bears our id and was lost there since counts, until we were told that it is lost: no server says it by itself.
    """
    stood: dict[DatedReference, int] = {}
    for event in history.events:
        if isinstance(event, RemoteVersionStored) and event.content is not None:
            stood.setdefault(matcher.remote_reference(event.remote_reference, event.at), event.at)
    lost = _reported_losses(history)
    for event in history.events_of(RemoteVersionStored):
        if event.by is None or event.content is None or event.content["resourceType"] == "Bundle":
            continue
        for reference in references_of(event.content):
            is_ours = reference in matcher.versions or matcher.our_reference(reference, event.at) is not None
            times, remote_reference = matcher.remote_reference(reference, event.at)
            is_reported = any(
                matcher.remote_reference(reference, at)[0] == times
                for at in lost.get(remote_reference, ())
                if at < event.by
            )
            counts = range(times + 1) if reference in matcher.versions and not is_reported else [times]
            if is_ours and all(stood.get((n, remote_reference), event.at + 1) > event.at for n in counts):
                yield Violation("order", event.at, f"{event.remote_reference} came before {reference}")


def _reported_losses(history: History) -> dict[str, list[int]]:
    """By `Type/id`: when we asked for it and were answered that it is not there."""
    found: dict[str, list[int]] = {}
    for request in history.events_of(RequestMade):
        if request.method == "GET" and request.status in (404, 410):
            found.setdefault(request.path, []).append(request.at)
    return found


def requests_by_position(history: History) -> dict[int, RequestMade]:
    """Requests by the number under which what they wrote is noted."""
    return {request.at: request for request in history.events_of(RequestMade)}


def find_first_arrivals(history: History, matcher: ResourceMatcher) -> dict[tuple[str, int], int]:
    """By resource and version: the request with which it, or a later version, first stood at the EHR."""
    arrived: dict[tuple[str, int], int] = {}
    for event in history.events_of(RemoteVersionStored):
        our_reference = matcher.our_reference(event.remote_reference, event.at)
        if event.by is None or event.content is None or our_reference is None:
            continue
        for version in _same_or_before(event, matcher.versions[our_reference], matcher):
            arrived.setdefault((our_reference, version), event.by)
    return arrived


def _same_or_before(
    event: RemoteVersionStored, versions: list[VersionCommitted], matcher: ResourceMatcher
) -> list[int]:
    same = [
        v.version for v in versions if v.at < event.at and matcher.normalised(v) == matcher.normalised(event)
    ]
    return [v.version for v in versions if same and v.version <= max(same)]
