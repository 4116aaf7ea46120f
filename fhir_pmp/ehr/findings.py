"""What one resource that stands at a destination, or does not, means for our books; and what is done about it."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.content import hash_of
from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.judging import Judge
from fhir_pmp.ehr.ledger import EDITED
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.noticing import DELETED, DOUBLED, is_ours_again, notice
from fhir_pmp.ehr.pages import place_of
from fhir_pmp.ehr.places import forget_place
from fhir_pmp.ehr.reads import version_of
from fhir_pmp.ehr.sorting import NOT_READ_YET
from fhir_pmp.ehr.taking_up import DOOR, identifiers_of, remember
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store import Books, Store
from fhir_pmp.store.audit import AuditRow
from fhir_pmp.store.inbox import ArrivalState
from fhir_pmp.store.neighbours import NAMED_BY_SERVER
from fhir_pmp.store.remote_versions import RemoteVersion
from fhir_pmp.store.standing_book import Expected


class Found(StrEnum):
    """What was found of one resource."""

    EQUAL = "equal"
    REMEMBERED = "remembered"  # equal, and its version tag or place was news to us
    NEWER = "newer"  # a version of ours that we have not seen acknowledged
    OLDER = "older"  # a version of ours before it: sent again
    MISSING = "missing"  # never there, or lost: sent again
    DELETED = "deleted"  # somebody deleted it: a person decides
    EDITED = "edited"  # none of ours: a person decides
    DOUBLED = "doubled"  # several bear one identifier of ours: a person decides
    UNKNOWN = "unknown"  # bears an identifier of ours, and we know nothing of it
    ELSEWHERE = (
        "elsewhere"  # under another id than the server had given it: looked for again, as what is missing is
    )
    UNDER_WAY = "under_way"  # a delivery is being sent: it settles this itself


_AGAIN = {Found.MISSING: "was missing there", Found.OLDER: "an older version stood there"}


@dataclass
class Findings:
    """What a comparison found, and does about it unless it is a dry run. Every method is one transaction."""

    store: Store
    neighbour: Neighbour
    capability: Capability
    clock: Callable[[], datetime]
    who: str
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)  # "Type/id/_history/n: why"

    def __post_init__(self) -> None:
        self._judge = Judge(self.neighbour, self.capability)

    def stands(self, resources: Mapping[str, dict[str, Any]], expected: Mapping[str, Expected]) -> None:
        """Judges resources by our `Type/id`; those that we never sent there are recognised, not expected."""
        judged: dict[Found, list[Expected]] = {}
        with self._writing() as books:
            for reference, resource in resources.items():
                one = expected.get(reference.partition("/")[2])
                found = self._judged(books, reference, resource, one)
                if one is not None and found in _AGAIN:
                    judged.setdefault(found, []).append(one)
                self.counts[found] += 1
            for found, some in judged.items():
                self._send_again(books, found, some)

    def is_missing(self, gone: list[Expected]) -> None:
        """These are not there: each is sent again, as it was last sent."""
        with self._writing() as books:
            for one in gone:
                self.counts[Found.MISSING] += 1
                if one.named_by_server and not self.dry_run:
                    # Its id there went with it; it is looked for by its identifier and gets a new one.
                    forget_place(books, self.neighbour.id, one.reference, now=self.clock())
            self._send_again(books, Found.MISSING, gone)

    def is_deleted(self, one: Expected) -> None:
        """Somebody deleted it there."""
        self.counts[Found.DELETED] += 1
        with self._writing() as books:
            self._notice(books, DELETED, one.reference, one, None)

    def is_doubled(self, reference: str, places: list[str]) -> None:
        """Several resources there bear one identifier of ours; never the first of them is chosen."""
        self.counts[Found.DOUBLED] += 1
        with self._writing() as books:
            self._notice(books, DOUBLED, reference, None, " ".join(sorted(places)))

    def no_longer_doubled(self, kind: str, doubled: set[str]) -> None:
        """Closes the work items about those of a type that stand there once now."""
        if self.dry_run:
            return
        to, now = f"delivery/{self.neighbour.id}/", self.clock()
        with self._writing() as books:
            for item in books.work_items.list_open(kinds=[DOUBLED]):
                if item.about.startswith(f"{to}{kind}/") and item.about.removeprefix(to) not in doubled:
                    books.work_items.close(item.id, by="sync", how="one of them is left", now=now)

    def strangers(self, resources: list[dict[str, Any]]) -> None:
        """They bear identifiers of ours under ids that we do not know: from before our database went back in time."""
        with self._writing() as books:
            for resource in resources:
                self.counts[self._stranger(books, resource)] += 1

    def note(self, outcome: str) -> None:
        """Writes down in the audit that both sides were compared, and what that came to."""
        told = (
            ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
            or "nothing to compare"
        )
        dry = " (dry run)" if self.dry_run else ""
        with self.store.begin_beside() as books:
            self._audit(books, f"reconcile {self.neighbour.id}{dry}: {told}", "query", outcome, [], [])

    def _judged(self, books: Books, reference: str, resource: dict[str, Any], one: Expected | None) -> Found:
        if one is not None and one.unsettled:
            return Found.UNDER_WAY
        version = self._judge.version(books, reference, one, resource)
        if one is None:
            return self._recognised(books, reference, resource, version)
        if version is None:
            self._notice(books, EDITED, reference, one, version_of(resource), resource)
            return Found.EDITED
        if version < one.version:
            return Found.OLDER
        if self.dry_run:
            return Found.EQUAL if version == one.version else Found.NEWER
        now = self.clock()
        is_ours_again(books, self.neighbour.id, reference, seen_at=now, now=now)
        if version > one.version:
            self._hold(books, reference, resource, version)
            return Found.NEWER
        news = remember(books, self.neighbour, one, version_of(resource), self.clock())
        return Found.REMEMBERED if news else Found.EQUAL

    def _recognised(
        self, books: Books, reference: str, resource: dict[str, Any], version: int | None
    ) -> Found:
        """It stands there although our books do not say that it was sent: what is sent next is compared with it."""
        if not self.dry_run:
            self._hold(books, reference, resource, version or NOT_READ_YET)
        return Found.REMEMBERED if version is not None else Found.UNKNOWN

    def _stranger(self, books: Books, resource: dict[str, Any]) -> Found:
        kind, place = str(resource["resourceType"]), place_of(resource)
        known = {books.standing.known_by(kind, i.system, i.value) for i in identifiers_of(resource)} - {None}
        reference = known.pop() if len(known) == 1 else None
        to, now = self.neighbour.id, self.clock()
        if reference is None:
            if not self.dry_run:
                self._hold(books, place, resource, NOT_READ_YET)
            return Found.UNKNOWN
        if self.capability.strategy(self.neighbour.destination, kind) is WriteStrategy.OUR_ID:
            # Ours goes there under our id: this is a second one, whoever made it.
            self._notice(books, DOUBLED, reference, None, place)
            return Found.DOUBLED
        link = books.destination_ids.find(to, reference)
        if link is not None and link.theirs != place:
            return Found.ELSEWHERE
        if link is None and not self.dry_run:
            books.destination_ids.link(to, reference, place, how=NAMED_BY_SERVER, by=self.who, now=now)
        one = books.standing.expected(to, kind, [reference.partition("/")[2]]).get(
            reference.partition("/")[2]
        )
        return self._judged(books, reference, resource, one)

    def _hold(self, books: Books, reference: str, resource: dict[str, Any], version: int) -> None:
        kind, _, id_ = reference.partition("/")
        content = write_canonical({name: value for name, value in resource.items() if name != "meta"})
        held = RemoteVersion(kind, id_, version, version_of(resource), hash_of(content))
        books.remote_versions.put_many(self.neighbour.id, [held], now=self.clock())

    def _send_again(self, books: Books, found: Found, some: list[Expected]) -> None:
        if not some:
            return
        why = _AGAIN[found]
        if self.dry_run:
            self.again += [f"{one.reference}/_history/{one.version}: {why}" for one in some]
            return
        references = [one.reference for one in some]
        to, now = self.neighbour.id, self.clock()
        again = books.standing.send_again(to, references, why=f"sent again: it {why}", now=now)
        self.again += [f"{version}: {why}" for version in again]
        people = sorted({one.person for one in some if one.person is not None})
        self._audit(books, f"reconcile {to}: sent again, it {why}", "update", "again", again, people)

    def _notice(
        self,
        books: Books,
        kind: str,
        reference: str,
        one: Expected | None,
        theirs: str | None,
        resource: dict[str, Any] | None = None,
    ) -> None:
        if self.dry_run:
            return
        to, now, inbox = self.neighbour.id, self.clock(), None
        if resource is not None:
            arrival = books.inbox.keep(DOOR, to, write_canonical(resource), now=now)
            key = f"{place_of(resource)}/_history/{theirs}"
            books.inbox.close(arrival.id, ArrivalState.DONE, key=key)
            inbox = arrival.id
        person = None if one is None else one.person
        notice(books, kind, to, reference, theirs=theirs, person=person, now=now, inbox=inbox)

    def _audit(
        self,
        books: Books,
        route: str,
        action: str,
        outcome: str,
        resources: list[str],
        people: list[PersonId],
    ) -> None:
        row = AuditRow(
            at=self.clock(), who=self.who, route=route, action=action, outcome=outcome,
            request_id=uuid4().hex, resources=tuple(resources), persons=tuple(people),
        )  # fmt: skip
        books.audit.append([row])

    def _writing(self) -> AbstractContextManager[Books]:
        return self.store.read() if self.dry_run else self.store.begin_beside()
