"""Compares what a destination holds of ours with what our books say it holds, both ways, and repairs either side."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import structlog

from fhir_pmp.ehr import breaker as breakers
from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.destinations import Patients
from fhir_pmp.ehr.findings import Findings
from fhir_pmp.ehr.linking import look_at_linked, lose_link
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.outcomes import PAUSES, Meaning, NotReadable, OffOrigin, Untrusted, Verdict, WireFailure
from fhir_pmp.ehr.pages import PER_PAGE, Page, place_of, read_page, window
from fhir_pmp.ehr.places import look_whose_it_was, look_whose_was_deleted, ours_among, placed
from fhir_pmp.ehr.reads import body_of, find_all
from fhir_pmp.ehr.rendering import found_by
from fhir_pmp.ehr.taking_up import identifiers_of
from fhir_pmp.ehr.writes import verdict_of
from fhir_pmp.errors import Refused
from fhir_pmp.identifiers import DestinationId, Identifier
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import SHARED_BY_MANY
from fhir_pmp.store.standing_book import Expected

AT_ONCE = 100
"""Resources judged in one transaction: the write lock is held for milliseconds."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How hard a destination is asked. `pause` waits so many seconds."""

    requests_per_second: float = 50.0
    per_page: int = PER_PAGE
    pages: int = 20_000  # of one type; beyond it the comparison is broken off
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a comparison came to. Not complete: the destination failed on the way, and the rest is for the next time."""

    destination: DestinationId
    counts: dict[str, int]
    again: tuple[str, ...]  # "Type/id/_history/n: why"
    complete: bool
    why_not: str = ""

    def __str__(self) -> str:
        return (
            ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
            or "nothing to compare"
        )


class _BrokenOff(Exception):
    """The destination cannot be read further now."""


class Reconcile:
    """Reconciles with one destination. One process at a time does, under a lease."""

    def __init__(
        self,
        store: Store,
        neighbour: Neighbour,
        systems: Sequence[str],
        clock: Callable[[], datetime],
        *,
        who: str = "sync",
        dry_run: bool = False,
        tempo: Tempo | None = None,
        chance: Random | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`systems`: of our identifiers, by which everything of ours there is swept together."""
        self._store = store
        self._neighbour = neighbour
        self._client = neighbour.client
        self._systems = tuple(systems)
        self._clock = clock
        self._who = who
        self._dry_run = dry_run
        self._tempo = tempo or Tempo()
        self._stop = stop or threading.Event()
        self._breaker = breakers.KeptBreaker(store, neighbour.id, chance or Random())
        limits = neighbour.client.limits
        self._one_call = timedelta(seconds=limits.whole_call + limits.connect + 15)
        self._holder = uuid4().hex
        self._leased_until: datetime | None = None
        self._last_call = 0.0

    def run(self) -> Reconciled:
        """Compares everything once."""
        to = self._neighbour.id
        if not self._breaker.may_begin(self._clock(), self._one_call):
            return Reconciled(to, {}, (), False, "the destination is not called now")
        try:
            self._keep_lease()
            found = Findings(
                self._store, self._neighbour, self._capability(), self._clock, self._who, self._dry_run
            )
        except _BrokenOff as why:
            return Reconciled(to, {}, (), False, str(why))
        try:
            why_not = self._compare(found)
        finally:
            self._give_back()
        found.note("done" if not why_not else "broken off")
        structlog.get_logger().info("reconciled", destination=to, count=len(found.again))
        return Reconciled(to, dict(found.counts), tuple(found.again), not why_not, why_not)

    def _compare(self, found: Findings) -> str:
        """Why it could not be compared to the end; nothing where it could."""
        to, heard = self._neighbour.id, self._client.answers_here
        if not self._dry_run:
            with self._store.begin_beside() as books:
                books.standing.begin_reconcile(to, now=self._clock())
        try:
            self._look_at_links(found)
            for kind in self._types(found.capability):
                self._compare_type(kind, found)
        except _BrokenOff as why:
            return str(why)
        if self._client.answers_here > heard:
            self._breaker.has_succeeded(self._clock())
        if not self._dry_run:
            with self._store.begin_beside() as books:
                books.standing.end_reconcile(to, found.counts, now=self._clock())
        return ""

    def _types(self, capability: Capability) -> list[str]:
        with self._store.read() as books:
            to = self._neighbour.id
            own = {
                *books.standing.types(to),
                *books.standing.types_held(to),
                *books.standing.types_queued(to),
            }
        return [kind for kind in sorted(own) if kind in capability.types]

    def _compare_type(self, kind: str, found: Findings) -> None:
        to = self._neighbour.id
        with self._store.read() as books:
            left = set(books.standing.ids(to, kind))
        searched = "search-type" in found.capability.types[kind].interactions
        if searched and self._systems and kind not in SHARED_BY_MANY:
            left -= self._sweep(kind, found)
        for some in _runs(sorted(left)):
            with self._store.read() as books:
                expected = books.standing.expected(to, kind, some)
            for one in expected.values():
                if not one.unsettled:
                    self._look_at(one, found, searched)

    def _sweep(self, kind: str, found: Findings) -> set[str]:
        """Everything there that bears an identifier of ours, page by page; our ids of what was seen."""
        to = self._neighbour.id
        swept = _Swept()
        for page in self._pages(kind):
            at = {place_of(resource): resource for resource in page.resources}
            with self._store.read() as books:
                ours = ours_among(books, to, at)
                ids = [reference.partition("/")[2] for reference in ours.values()]
                expected = books.standing.expected(to, kind, ids)
            found.stands({ours[place]: resource for place, resource in at.items() if place in ours}, expected)
            swept.add(at, ours, self._systems)
        doubled = swept.doubled()
        for reference, places in doubled.items():
            found.is_doubled(reference, places)
        found.no_longer_doubled(kind, set(doubled))
        found.strangers(swept.strangers_once())
        return {reference.partition("/")[2] for reference in swept.ours.values()}

    def _pages(self, kind: str) -> Iterator[Page]:
        """Every page; a stored search that went away is begun anew once."""
        first = window(kind, None, self._systems, self._tempo.per_page)
        address: str | None = first
        asked: set[str] = set()
        restarts = 0
        while address is not None:
            if address in asked or len(asked) >= self._tempo.pages:
                raise _BrokenOff(f"the pages of {kind} do not come to an end")
            asked.add(address)
            with self._calling():
                page = read_page(self._client, address, kind, self._clock())
            if (
                page.verdict.meaning in (Meaning.NOT_THERE, Meaning.GONE)
                and address != first
                and not restarts
            ):
                restarts, address = 1, first
                asked.clear()
                continue
            self._check(page.verdict, kind)
            yield page
            address = page.next

    def _look_at(self, one: Expected, found: Findings, searched: bool) -> None:
        """One that no sweep has shown: asked for by its place, and first, where everybody shares it, by what it is."""
        if one.type in SHARED_BY_MANY and searched and (query := found_by(one.sent_bytes)) is not None:
            with self._calling():
                verdict, standing = find_all(self._client, one.type, query, self._clock())
            self._check(verdict, one.type)
            at = {place_of(resource): resource for resource in standing}
            if len(at) > 1:
                found.is_doubled(one.reference, sorted(at))
            if one.place in at:
                found.stands({one.reference: at[one.place]}, {one.id: one})
                return
        with self._calling():
            answer = self._client.ask("GET", one.place, headers={"Cache-Control": "no-cache"})
            verdict = verdict_of(answer, self._clock())
            resource = body_of(answer) if verdict.meaning is Meaning.DONE else None
        if verdict.meaning is Meaning.NOT_THERE:
            found.is_missing([one])
        elif verdict.meaning is Meaning.GONE:
            if one.named_by_server and self._is_anothers(one, None):
                found.is_missing([one])
            else:
                found.is_deleted(one)
        else:
            self._check(verdict, one.type)
            if resource is None or place_of(resource) != one.place:
                raise _BrokenOff(f"the answer about one {one.type} is none")
            if one.named_by_server and self._is_anothers(one, resource):
                found.is_missing([one])
            else:
                found.stands({one.reference: resource}, {one.id: one})

    def _is_anothers(self, one: Expected, resource: Mapping[str, Any] | None) -> bool:
        """Whether the id that the server had given to ours is another's now, or was until that was deleted: no resource."""
        with self._store.read() as books:
            remembered = placed(books, self._neighbour.id, [one.reference])
        if not remembered or (resource is not None and remembered[0].is_it(resource)):
            return False
        look = look_whose_was_deleted if resource is None else look_whose_it_was
        with self._calling():
            verdict = look(self._client, remembered[0], self._clock())
        if verdict.meaning not in (Meaning.NOT_THERE, Meaning.GONE):
            self._check(verdict, one.type)
        return verdict.meaning is Meaning.NOT_THERE

    def _look_at_links(self, found: Findings) -> None:
        """Whether each Patient that somebody was found to be is still in use."""
        if self._neighbour.destination.patients is not Patients.THEIRS:
            return
        with self._store.read() as books:
            links = books.destination_ids.people(self._neighbour.id)
        for link in links:
            with self._calling():
                looked = look_at_linked(
                    self._store, self._client, self._neighbour.id, link.ours, self._clock()
                )
            if looked.why_lost is None:
                self._check(looked.verdict, "Patient")
                continue
            found.counts["links_lost"] += 1
            if not self._dry_run:
                with self._store.begin_beside() as books:
                    lose_link(books, self._neighbour.id, link, looked.why_lost, now=self._clock())

    def _check(self, verdict: Verdict, kind: str) -> None:
        """Raises _BrokenOff for anything but success."""
        if verdict.meaning is Meaning.DONE:
            return
        reason = verdict.reason or f"status {verdict.status}"
        if verdict.meaning in PAUSES:
            self._breaker.pause(self._clock(), reason, verdict.status)
        elif verdict.meaning in (Meaning.RETRY, Meaning.RETRY_UNKNOWN, Meaning.UNKNOWN):
            self._breaker.has_failed(self._clock(), reason, verdict.after_seconds)
        raise _BrokenOff(f"{kind}: {reason}")

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """One call, not sooner after the last than the tempo allows, under a lease that outlasts it."""
        if self._stop.is_set():
            raise _BrokenOff("we are stopping")
        since = time.monotonic() - self._last_call
        if (wait := 1 / self._tempo.requests_per_second - since) > 0:
            self._tempo.pause(wait)
        self._keep_lease()
        if self._breaker.was_opened():
            raise _BrokenOff("the destination is not called now")
        self._last_call = time.monotonic()
        try:
            yield
        except OffOrigin:
            raise _BrokenOff("it leads us elsewhere") from None
        except Untrusted as failure:
            self._breaker.pause(self._clock(), str(failure), None)
            raise _BrokenOff(str(failure)) from None
        except WireFailure as failure:
            if not isinstance(failure, NotReadable):
                self._breaker.has_failed(self._clock(), str(failure), None)
            raise _BrokenOff(str(failure)) from None

    def _capability(self) -> Capability:
        with self._calling():
            try:
                return self._neighbour.capability(self._clock())
            except WireFailure as failure:
                self._breaker.has_failed(self._clock(), str(failure), failure.after_seconds)
                raise _BrokenOff(str(failure)) from None
            except Refused as refusal:
                self._breaker.pause(self._clock(), str(refusal), None)
                raise _BrokenOff(str(refusal)) from None

    def _keep_lease(self) -> None:
        now = self._clock()
        if self._leased_until is not None and self._leased_until - now >= self._one_call:
            return
        lasts = 2 * self._one_call
        with self._store.begin_beside() as books:
            taken = books.leases.take(f"reconcile {self._neighbour.id}", self._holder, now=now, lasts=lasts)
        if taken is None:
            raise _BrokenOff("another process is at it")
        self._leased_until = now + lasts

    def _give_back(self) -> None:
        with self._store.begin_beside() as books:
            books.leases.give_back(f"reconcile {self._neighbour.id}", self._holder)


@dataclass
class _Swept:
    """What a sweep of one type has shown."""

    ours: dict[str, str] = field(default_factory=dict)  # place: our `Type/id`
    bearers: dict[Identifier, list[str]] = field(default_factory=dict)  # places
    strangers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by place

    def add(self, at: Mapping[str, dict[str, Any]], ours: Mapping[str, str], systems: Sequence[str]) -> None:
        """One page more."""
        self.ours |= ours
        for place, resource in at.items():
            for identifier in identifiers_of(resource):
                if identifier.system in systems and place not in self.bearers.setdefault(identifier, []):
                    self.bearers[identifier].append(place)
            if place not in ours:
                self.strangers[place] = resource

    def doubled(self) -> dict[str, list[str]]:
        """Ours, of which a second one bears an identifier: where all of them stand."""
        several = [places for places in self.bearers.values() if len(places) > 1]
        return {self.ours[place]: places for places in several for place in places if place in self.ours}

    def strangers_once(self) -> list[dict[str, Any]]:
        """Those that share their identifier with nothing else there."""
        shared = {place for places in self.bearers.values() if len(places) > 1 for place in places}
        return [resource for place, resource in self.strangers.items() if place not in shared]


def _runs(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
