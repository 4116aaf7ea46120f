"""What an EHR pushed at us is a hint: the resource it names is read again, by its id, and only that is believed."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.content import LARGEST_RESOURCE
from fhir_pmp.ehr.linking import lose_link
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.noticing import DELETED, notice
from fhir_pmp.ehr.outcomes import PAUSES, TRANSIENT, Meaning, Verdict
from fhir_pmp.ehr.pages import place_of
from fhir_pmp.ehr.places import look_whose_was_deleted, placed
from fhir_pmp.ehr.reads import body_of
from fhir_pmp.ehr.taking_up import TakingUp
from fhir_pmp.ehr.writes import verdict_of
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.json_reader import read_json
from fhir_pmp.store import Store
from fhir_pmp.store.inbox import Arrival, ArrivalState

DOOR = "hook"
AT_MOST = 500
"""Hints followed in one run."""

_PLACE = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")


class NotNow(Exception):
    """The destination does not answer as one that works: the hint waits."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.meaning.value)
        self.verdict = verdict


class Hints:
    """The hints that one destination gave and nobody has followed yet."""

    def __init__(self, store: Store, neighbour: Neighbour, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._neighbour = neighbour
        self._client: EhrClient = neighbour.client
        self._clock = clock

    def waiting(self) -> list[Arrival]:
        """Those not followed yet, oldest first."""
        with self._store.read() as books:
            found = books.inbox.waiting(DOOR, limit=10_000)
        return [one for one in found if one.sender.partition("/")[0] == self._neighbour.id][:AT_MOST]

    def follow(self, capability: Capability, taking_up: TakingUp) -> Counter[str]:
        """Reads what they name, each resource once. Raises NotNow, and what `EhrClient.ask` raises."""
        counts: Counter[str] = Counter()
        by_place: dict[str | None, list[Arrival]] = {}
        for arrival in self.waiting():
            by_place.setdefault(place_named(arrival), []).append(arrival)
        for place, arrivals in by_place.items():
            known = place is not None and place.partition("/")[0] in capability.types
            if known and place is not None:
                counts += self._read(place, taking_up)
            counts["hints"] += len(arrivals)
            with self._store.begin_beside() as books:
                for arrival in arrivals:
                    # One that names nothing says that something changed: the pull that runs anyway finds it.
                    books.inbox.close(
                        arrival.id, ArrivalState.DONE if known or not place else ArrivalState.REFUSED
                    )
        return counts

    def _read(self, place: str, taking_up: TakingUp) -> Counter[str]:
        answer = self._client.ask("GET", place, headers={"Cache-Control": "no-cache"})
        verdict = verdict_of(answer, self._clock())
        if verdict.meaning in (Meaning.NOT_THERE, Meaning.GONE):
            return self._gone(
                place, deleted=verdict.meaning is Meaning.GONE and not self._was_anothers(place)
            )
        if verdict.meaning is not Meaning.DONE:
            raise NotNow(verdict)
        resource = body_of(answer)
        if place_of(resource) != place:
            return Counter(refused=1)
        return taking_up.keep(place.partition("/")[0], [resource])

    def _was_anothers(self, place: str) -> bool:
        """Whether what was deleted had been given the id of ours: then ours went before."""
        with self._store.read() as books:
            ours = [link.ours for link in books.destination_ids.leading_to(self._neighbour.id, [place])]
            remembered = placed(books, self._neighbour.id, ours)
        for one in remembered:
            verdict = look_whose_was_deleted(self._client, one, self._clock())
            if verdict.meaning in TRANSIENT | PAUSES:
                raise NotNow(verdict)
            if verdict.meaning is Meaning.NOT_THERE:
                return True
        return False

    def _gone(self, place: str, *, deleted: bool) -> Counter[str]:
        to, now = self._neighbour.id, self._clock()
        with self._store.begin_beside() as books:
            links = books.destination_ids.leading_to(to, [place]) if place.startswith("Patient/") else []
            for link in links:
                lose_link(books, to, link, "it is not there any more", now=now)
            reference = books.standing.ours(to, [place]).get(place)
            if reference is None or not deleted or links:
                return Counter(
                    links_lost=len(links)
                )  # what is missing and was not deleted is the reconcile's
            kind, _, id_ = reference.partition("/")
            one = books.standing.expected(to, kind, [id_]).get(id_)
            if one is None or one.unsettled:
                return Counter()
            notice(books, DELETED, to, reference, theirs=None, person=one.person, now=now)
        return Counter(deleted=1)


def place_named(arrival: Arrival) -> str | None:
    """The `Type/id` that a hint names: in its key, its address, or its body; None where it names nothing."""
    for text in (arrival.key or "", arrival.sender.partition("/")[2]):
        if (match := _PLACE.fullmatch(text)) is not None:
            return match[1]
    if not arrival.body:
        return None
    try:
        body = read_json(arrival.body, max_bytes=LARGEST_RESOURCE)
    except NotUnderstood:
        return None
    match = _PLACE.fullmatch(f"{body.get('resourceType')}/{body.get('id')}")
    return match[1] if match else None
