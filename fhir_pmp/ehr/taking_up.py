"""What was read at a destination: kept verbatim once, with the cursor, and only then understood."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.content import LARGEST_RESOURCE, hash_of
from fhir_pmp.ehr.destinations import Patients
from fhir_pmp.ehr.judging import Judge
from fhir_pmp.ehr.ledger import EDITED
from fhir_pmp.ehr.linking import lose_link, why_another, why_not_in_use
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.noticing import is_ours_again, notice
from fhir_pmp.ehr.pages import place_of, updated_text
from fhir_pmp.ehr.places import ours_among
from fhir_pmp.ehr.reads import version_of
from fhir_pmp.fhir.json_reader import read_json
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.identifiers import DestinationId, Identifier, PersonId
from fhir_pmp.pathway.facts import Person
from fhir_pmp.store import Books, Store
from fhir_pmp.store.inbox import Arrival, ArrivalState
from fhir_pmp.store.pull_book import Cursor, SeenVersion
from fhir_pmp.store.remote_versions import RemoteVersion
from fhir_pmp.store.standing_book import Expected

DOOR = "pull"
AT_ONCE = 50
"""Arrivals understood in one transaction: the write lock is held for milliseconds."""
KEPT_WHOEVER_WROTE_THEM = frozenset({"ServiceRequest", "Task"})

Resource = dict[str, Any]


class TakingUp:
    """Takes up what was read at one destination."""

    def __init__(
        self, store: Store, neighbour: Neighbour, capability: Capability, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._neighbour = neighbour
        self._judge = Judge(neighbour, capability)
        self._clock = clock

    def keep(self, kind: str, resources: Sequence[Resource], cursor: Cursor | None = None) -> Counter[str]:
        """Keeps a page with the cursor that follows from it, in one transaction; how many were new, and kept.

        What we wrote ourselves and is there as we wrote it stands in the outbox already, and a stranger's Patient is
        nothing to us: these are taken up without a copy.
        """
        to, now = self._neighbour.id, self._clock()
        seen = {_seen(resource): resource for resource in resources}
        with self._store.read() as books:
            new = books.pulling.unseen(to, kind, list(seen))
            worth = self._worth_keeping(books, kind, {version: seen[version] for version in new})
        with self._store.begin_beside() as books:
            for version in worth:
                books.inbox.keep(DOOR, to, write_canonical(seen[version]), now=now)
            books.pulling.take_up(to, kind, new, now=now)
            if cursor is not None:
                books.pulling.put_cursor(to, cursor)
                if cursor.completed_at is not None and cursor.page_url is None:
                    books.work_items.close_about(
                        "pull_refused", f"destination/{to}/{kind}", by="sync", how="read to its end", now=now
                    )
        return Counter(new=len(new), kept=len(worth))

    def understand(self) -> Counter[str]:
        """Works through what is kept and not understood yet, oldest first; what that came to."""
        counts: Counter[str] = Counter()
        last = 0
        while True:
            with self._store.read() as books:
                arrivals = books.inbox.waiting(DOOR, sender=self._neighbour.id, after=last, limit=AT_ONCE)
            if not arrivals:
                return counts
            with self._store.begin_beside() as books:
                counts.update([self._understand(books, arrival) for arrival in arrivals])
            last = arrivals[-1].id

    def _worth_keeping(
        self, books: Books, kind: str, new: Mapping[SeenVersion, Resource]
    ) -> list[SeenVersion]:
        places = {place_of(resource) for resource in new.values()}
        if kind == "Patient" and self._neighbour.destination.patients is Patients.THEIRS:
            linked = {link.theirs for link in books.destination_ids.leading_to(self._neighbour.id, places)}
            known = self._known_people(books, new.values())
            return [v for v, r in new.items() if place_of(r) in linked or _is_any(known, r)]
        ours = ours_among(
            books, self._neighbour.id, {place_of(resource): resource for resource in new.values()}
        )
        ids = [reference.partition("/")[2] for reference in ours.values()]
        expected = books.standing.expected(self._neighbour.id, kind, ids)
        return [
            version
            for version, resource in new.items()
            if self._is_news(kind, resource, ours.get(place_of(resource)), expected)
        ]

    def _is_news(
        self, kind: str, resource: Resource, ours: str | None, expected: Mapping[str, Expected]
    ) -> bool:
        if ours is None:
            return kind in KEPT_WHOEVER_WROTE_THEM
        sent = expected.get(ours.partition("/")[2])
        return sent is None or sent.etag != version_of(resource) or not self._judge.is_as_sent(sent, resource)

    def _known_people(self, books: Books, patients: Iterable[Resource]) -> set[Identifier]:
        systems = self._neighbour.destination.identifier_systems
        borne = [i for patient in patients for i in identifiers_of(patient) if i.system in systems]
        found = books.people.find_by_identifiers(borne)
        return {identifier for identifier, people in found.items() if people}

    def _understand(self, books: Books, arrival: Arrival) -> str:
        resource = read_json(arrival.body, max_bytes=LARGEST_RESOURCE)
        key = f"{place_of(resource)}/_history/{version_of(resource)}"
        if resource["resourceType"] == "Patient" and self._neighbour.destination.patients is Patients.THEIRS:
            came_to = self._patient(books, resource)
        else:
            came_to = self._resource(books, resource, arrival)
        if came_to != "under way":
            books.inbox.close(arrival.id, ArrivalState.DONE, key=key)
        return came_to

    def _patient(self, books: Books, patient: Resource) -> str:
        to, now = self._neighbour.id, self._clock()
        place = place_of(patient)
        why = why_not_in_use(patient)
        links = books.destination_ids.leading_to(to, [place])
        if links:
            lost = False
            for link in links:
                person = books.people.get(PersonId(link.ours.partition("/")[2]))
                if found := why or why_another(patient, person, link):
                    lose_link(books, to, link, found, now=now)
                    lost = True
            return "links lost" if lost else "seen"
        people = self._people(books, patient)
        for person in people:
            books.outbox.resume(to, person.id, now=now)
        return "looked for again" if people else "seen"

    def _people(self, books: Books, patient: Resource) -> list[Person]:
        systems = self._neighbour.destination.identifier_systems
        borne = [i for i in identifiers_of(patient) if i.system in systems]
        found = books.people.find_by_identifiers(borne)
        return list({person.id: person for people in found.values() for person in people}.values())

    def _resource(self, books: Books, resource: Resource, arrival: Arrival) -> str:
        to, now, place = self._neighbour.id, self._clock(), place_of(resource)
        reference = ours_among(books, to, {place: resource}).get(place)
        if reference is None:
            return "seen"  # a Task or ServiceRequest of somebody else
        kind, _, id_ = reference.partition("/")
        expected = books.standing.expected(to, kind, [id_]).get(id_)
        if expected is None or expected.unsettled:
            # The push reads and compares before it writes over anything; what it comes to is waited for.
            return "under way" if _is_queued(books, to, reference) else "seen"
        version = self._judge.version(books, reference, expected, resource)
        if version is None:
            theirs = version_of(resource)
            new = notice(
                books, EDITED, to, reference,
                theirs=theirs, person=expected.person, now=now, inbox=arrival.id,
            )  # fmt: skip
            return "edited" if new else "edited before"
        is_ours_again(books, to, reference, seen_at=arrival.received_at, now=now)
        if version == expected.version:
            remember(books, self._neighbour, expected, version_of(resource), now)
        return "ours"


def remember(books: Books, neighbour: Neighbour, expected: Expected, etag: str | None, now: datetime) -> bool:
    """What stands there is what was last sent: its version tag is remembered; whether that was news."""
    if expected.etag == etag and expected.held_version == expected.version:
        return False
    held = RemoteVersion(expected.type, expected.id, expected.version, etag, hash_of(expected.sent_bytes))
    books.remote_versions.put_many(neighbour.id, [held], now=now)
    return True


def identifiers_of(resource: Mapping[str, Any]) -> list[Identifier]:
    """The business identifiers with a system and a value."""
    found = resource.get("identifier")
    return [
        Identifier(i["system"], i["value"])
        for i in (found if isinstance(found, list) else [found])
        if isinstance(i, dict) and isinstance(i.get("system"), str) and isinstance(i.get("value"), str)
    ]


def _is_any(known: set[Identifier], patient: Resource) -> bool:
    return any(identifier in known for identifier in identifiers_of(patient))


def _is_queued(books: Books, to: DestinationId, reference: str) -> bool:
    return any(
        delivery.state.value in ("pending", "in_flight")
        for delivery in books.deliveries.list_all(destination=to, reference=reference)
    )


def _seen(resource: Resource) -> SeenVersion:
    version = version_of(resource)
    if version is None:
        version = "sha256-" + hashlib.sha256(write_canonical(resource)).hexdigest()[:48]
    return SeenVersion(str(resource["id"]), version[:64], updated_text(resource))
