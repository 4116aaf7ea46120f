"""Compares our resources at a destination with what we recorded, and repairs either side."""

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

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.connection import breaker as breakers
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.reads import body_of, search_type
from fhir_pmp.ehr.exchange.rendering import search_query_for
from fhir_pmp.ehr.exchange.search_pages import (
    PER_PAGE,
    SearchPage,
    changes_url,
    read_page,
    remote_reference_of,
)
from fhir_pmp.ehr.exchange.writes import classify_response
from fhir_pmp.ehr.identity.patient_link import check_linked_patient, retire_link
from fhir_pmp.ehr.identity.remote_ownership import (
    check_owner_of_deleted,
    check_owner_of_known_version,
    find_ours,
    identifiers_of,
    load_remote_copies,
)
from fhir_pmp.ehr.sync_back.comparison import Comparison
from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    ClassifiedResponse,
    HttpResponseClass,
    NotReadable,
    OffOrigin,
    Untrusted,
    WireFailure,
)
from fhir_pmp.errors import Refused
from fhir_pmp.identifiers import DestinationId, Identifier
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import SHARED_TYPES
from fhir_pmp.store.remote_state.reconciliation import ExpectedResource

BATCH_SIZE = 100
"""Resources judged in one transaction: the write lock is held for milliseconds."""


@dataclass(frozen=True, slots=True)
class ReconcilePace:
    """How hard a destination is asked. `pause` waits so many seconds."""

    requests_per_second: float = 50.0
    per_page: int = PER_PAGE
    pages: int = 20_000  # of one type; beyond it the comparison is broken off
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """The counts of a comparison; incomplete if the destination failed meanwhile."""

    destination: DestinationId
    counts: dict[str, int]
    sent_again: tuple[str, ...]  # "Type/id/_history/n: why"
    complete: bool
    incomplete_reason: str = ""

    def __str__(self) -> str:
        return (
            ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
            or "nothing to compare"
        )


class _ReconcileInterrupted(Exception):
    """The destination cannot be read further now."""


class ReconcileWorker:
    """Reconciles with one destination. One process at a time does, under a lease."""

    def __init__(
        self,
        store: Store,
        connection: EhrConnection,
        systems: Sequence[str],
        clock: Callable[[], datetime],
        *,
        who: str = "sync",
        dry_run: bool = False,
        pace: ReconcilePace | None = None,
        rng: Random | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`systems`: of our identifiers, by which everything of ours there is swept together."""
        self._store = store
        self._connection = connection
        self._client = connection.client
        self._systems = tuple(systems)
        self._clock = clock
        self._who = who
        self._dry_run = dry_run
        self._pace = pace or ReconcilePace()
        self._stop = stop or threading.Event()
        self._breaker = breakers.StoredBreaker(store, connection.id, rng or Random())
        limits = connection.client.limits
        self._call_limit = timedelta(seconds=limits.whole_call + limits.connect + 15)
        self._holder = uuid4().hex
        self._leased_until: datetime | None = None
        self._last_call = 0.0

    def run(self) -> ReconcileResult:
        """Compares everything once."""
        to = self._connection.id
        if not self._breaker.try_begin(self._clock(), self._call_limit):
            return ReconcileResult(to, {}, (), False, "the destination is not called now")
        try:
            self._keep_lease()
            comparison = Comparison(
                self._store, self._connection, self._capability(), self._clock, self._who, self._dry_run
            )
        except _ReconcileInterrupted as why:
            return ReconcileResult(to, {}, (), False, str(why))
        try:
            incomplete_reason = self._compare(comparison)
        finally:
            self._release_lease()
        comparison.record_audit("done" if not incomplete_reason else "broken off")
        structlog.get_logger().info("reconciled", destination=to, count=len(comparison.sent_again))
        return ReconcileResult(
            to,
            dict(comparison.counts),
            tuple(comparison.sent_again),
            not incomplete_reason,
            incomplete_reason,
        )

    def _compare(self, comparison: Comparison) -> str:
        """Why it could not be compared to the end; nothing where it could."""
        to, answers_before = self._connection.id, self._client.answers_in_this_thread
        if not self._dry_run:
            with self._store.begin_without_publishing() as uow:
                uow.reconciliation.begin_reconciliation(to, now=self._clock())
        try:
            self._check_patient_links(comparison)
            for kind in self._types(comparison.capability):
                self._compare_type(kind, comparison)
        except _ReconcileInterrupted as why:
            return str(why)
        if self._client.answers_in_this_thread > answers_before:
            self._breaker.record_success(self._clock())
        if not self._dry_run:
            with self._store.begin_without_publishing() as uow:
                uow.reconciliation.end_reconciliation(to, comparison.counts, now=self._clock())
        return ""

    def _types(self, capability: Capability) -> list[str]:
        with self._store.read() as uow:
            to = self._connection.id
            own = {
                *uow.reconciliation.types(to),
                *uow.reconciliation.types_held(to),
                *uow.reconciliation.types_queued(to),
            }
        return [kind for kind in sorted(own) if kind in capability.types]

    def _compare_type(self, kind: str, comparison: Comparison) -> None:
        to = self._connection.id
        with self._store.read() as uow:
            left = set(uow.reconciliation.ids(to, kind))
        searched = "search-type" in comparison.capability.types[kind].interactions
        if searched and self._systems and kind not in SHARED_TYPES:
            left -= self._sweep(kind, comparison)
        for some in _batches(sorted(left)):
            with self._store.read() as uow:
                expected = uow.reconciliation.expected(to, kind, some)
            for one in expected.values():
                if not one.is_being_sent:
                    self._compare_one(one, comparison, searched)

    def _sweep(self, kind: str, comparison: Comparison) -> set[str]:
        """Everything there that bears an identifier of ours, page by page; our ids of what was seen."""
        to = self._connection.id
        swept = _SweptType()
        for page in self._pages(kind):
            at = {remote_reference_of(resource): resource for resource in page.resources}
            with self._store.read() as uow:
                ours = find_ours(uow, to, at)
                ids = [reference.partition("/")[2] for reference in ours.values()]
                expected = uow.reconciliation.expected(to, kind, ids)
            comparison.compare(
                {
                    ours[remote_reference]: resource
                    for remote_reference, resource in at.items()
                    if remote_reference in ours
                },
                expected,
            )
            swept.add(at, ours, self._systems)
        duplicated = swept.duplicated()
        for reference, remote_references in duplicated.items():
            comparison.record_duplicated(reference, remote_references)
        comparison.close_duplicated(kind, set(duplicated))
        comparison.unrecorded(swept.unrecorded_once())
        return {reference.partition("/")[2] for reference in swept.ours.values()}

    def _pages(self, kind: str) -> Iterator[SearchPage]:
        """Every page; a stored search that went away is begun anew once."""
        first = changes_url(kind, None, self._systems, self._pace.per_page)
        address: str | None = first
        asked: set[str] = set()
        restarts = 0
        while address is not None:
            if address in asked or len(asked) >= self._pace.pages:
                raise _ReconcileInterrupted(f"the pages of {kind} do not come to an end")
            asked.add(address)
            with self._paced_call():
                page = read_page(self._client, address, kind, self._clock())
            if (
                page.classified.response_class in (HttpResponseClass.NOT_FOUND, HttpResponseClass.GONE)
                and address != first
                and not restarts
            ):
                restarts, address = 1, first
                asked.clear()
                continue
            self._check(page.classified, kind)
            yield page
            address = page.next

    def _compare_one(self, one: ExpectedResource, comparison: Comparison, searched: bool) -> None:
        """One that no sweep has shown: asked for by its place, and first, where everybody shares it, by what it is."""
        if one.type in SHARED_TYPES and searched and (query := search_query_for(one.sent_bytes)) is not None:
            with self._paced_call():
                classified, resources = search_type(self._client, one.type, query, self._clock())
            self._check(classified, one.type)
            at = {remote_reference_of(resource): resource for resource in resources}
            if len(at) > 1:
                comparison.record_duplicated(one.reference, sorted(at))
            if one.remote_reference in at:
                comparison.compare({one.reference: at[one.remote_reference]}, {one.id: one})
                return
        with self._paced_call():
            answer = self._client.ask("GET", one.remote_reference, headers={"Cache-Control": "no-cache"})
            classified = classify_response(answer, self._clock())
            resource = body_of(answer) if classified.response_class is HttpResponseClass.DONE else None
        if classified.response_class is HttpResponseClass.NOT_FOUND:
            comparison.record_missing([one])
        elif classified.response_class is HttpResponseClass.GONE:
            if one.is_server_assigned and self._belongs_to_another(one, None):
                comparison.record_missing([one])
            else:
                comparison.record_deleted(one)
        else:
            self._check(classified, one.type)
            if resource is None or remote_reference_of(resource) != one.remote_reference:
                raise _ReconcileInterrupted(f"the answer about one {one.type} is none")
            if one.is_server_assigned and self._belongs_to_another(one, resource):
                comparison.record_missing([one])
            else:
                comparison.compare({one.reference: resource}, {one.id: one})

    def _belongs_to_another(self, one: ExpectedResource, resource: Mapping[str, Any] | None) -> bool:
        """Whether the id that the server had given to ours is another's now, or was until that was deleted: no resource."""
        with self._store.read() as uow:
            copies = load_remote_copies(uow, self._connection.id, [one.reference])
        if not copies or (resource is not None and copies[0].is_same_resource(resource)):
            return False
        look = check_owner_of_deleted if resource is None else check_owner_of_known_version
        with self._paced_call():
            classified = look(self._client, copies[0], self._clock())
        if classified.response_class not in (HttpResponseClass.NOT_FOUND, HttpResponseClass.GONE):
            self._check(classified, one.type)
        return classified.response_class is HttpResponseClass.NOT_FOUND

    def _check_patient_links(self, comparison: Comparison) -> None:
        """Whether each Patient that somebody was found to be is still in use."""
        if self._connection.destination.patients is not PatientOwnership.THEIRS:
            return
        with self._store.read() as uow:
            links = uow.remote_ids.list_patients(self._connection.id)
        for link in links:
            with self._paced_call():
                match = check_linked_patient(
                    self._store, self._client, self._connection.id, link.local_reference, self._clock()
                )
            if match.lost_reason is None:
                self._check(match.classified, "Patient")
                continue
            comparison.counts["links_lost"] += 1
            if not self._dry_run:
                with self._store.begin_without_publishing() as uow:
                    retire_link(uow, self._connection.id, link, match.lost_reason, now=self._clock())

    def _check(self, classified: ClassifiedResponse, kind: str) -> None:
        """Raises _BrokenOff for anything but success."""
        if classified.response_class is HttpResponseClass.DONE:
            return
        reason = classified.reason or f"status {classified.status}"
        if classified.response_class in PAUSES:
            self._breaker.pause(self._clock(), reason, classified.status)
        elif classified.response_class in (
            HttpResponseClass.RETRY,
            HttpResponseClass.RETRY_UNKNOWN,
            HttpResponseClass.UNKNOWN,
        ):
            self._breaker.record_failure(self._clock(), reason, classified.after_seconds)
        raise _ReconcileInterrupted(f"{kind}: {reason}")

    @contextmanager
    def _paced_call(self) -> Iterator[None]:
        """One call, not sooner after the last than the tempo allows, under a lease that outlasts it."""
        if self._stop.is_set():
            raise _ReconcileInterrupted("we are stopping")
        since = time.monotonic() - self._last_call
        if (wait := 1 / self._pace.requests_per_second - since) > 0:
            self._pace.pause(wait)
        self._keep_lease()
        if self._breaker.is_open():
            raise _ReconcileInterrupted("the destination is not called now")
        self._last_call = time.monotonic()
        try:
            yield
        except OffOrigin:
            raise _ReconcileInterrupted("it leads us elsewhere") from None
        except Untrusted as failure:
            self._breaker.pause(self._clock(), str(failure), None)
            raise _ReconcileInterrupted(str(failure)) from None
        except WireFailure as failure:
            if not isinstance(failure, NotReadable):
                self._breaker.record_failure(self._clock(), str(failure), None)
            raise _ReconcileInterrupted(str(failure)) from None

    def _capability(self) -> Capability:
        with self._paced_call():
            try:
                return self._connection.capability(self._clock())
            except WireFailure as failure:
                self._breaker.record_failure(self._clock(), str(failure), failure.after_seconds)
                raise _ReconcileInterrupted(str(failure)) from None
            except Refused as refusal:
                self._breaker.pause(self._clock(), str(refusal), None)
                raise _ReconcileInterrupted(str(refusal)) from None

    def _keep_lease(self) -> None:
        now = self._clock()
        if self._leased_until is not None and self._leased_until - now >= self._call_limit:
            return
        duration = 2 * self._call_limit
        with self._store.begin_without_publishing() as uow:
            taken = uow.leases.acquire(
                f"reconcile {self._connection.id}", self._holder, now=now, duration=duration
            )
        if taken is None:
            raise _ReconcileInterrupted("another process is at it")
        self._leased_until = now + duration

    def _release_lease(self) -> None:
        with self._store.begin_without_publishing() as uow:
            uow.leases.release_lease(f"reconcile {self._connection.id}", self._holder)


@dataclass
class _SweptType:
    """What a sweep of one type has shown."""

    ours: dict[str, str] = field(default_factory=dict)  # place: our `Type/id`
    by_identifier: dict[Identifier, list[str]] = field(default_factory=dict)  # places
    unrecorded: dict[str, dict[str, Any]] = field(default_factory=dict)  # by place

    def add(self, at: Mapping[str, dict[str, Any]], ours: Mapping[str, str], systems: Sequence[str]) -> None:
        """One page more."""
        self.ours |= ours
        for remote_reference, resource in at.items():
            for identifier in identifiers_of(resource):
                if identifier.system in systems and remote_reference not in self.by_identifier.setdefault(
                    identifier, []
                ):
                    self.by_identifier[identifier].append(remote_reference)
            if remote_reference not in ours:
                self.unrecorded[remote_reference] = resource

    def duplicated(self) -> dict[str, list[str]]:
        """Ours, of which a second one bears an identifier: where all of them stand."""
        several = [
            remote_references
            for remote_references in self.by_identifier.values()
            if len(remote_references) > 1
        ]
        return {
            self.ours[remote_reference]: remote_references
            for remote_references in several
            for remote_reference in remote_references
            if remote_reference in self.ours
        }

    def unrecorded_once(self) -> list[dict[str, Any]]:
        """Those that share their identifier with nothing else there."""
        shared = {
            remote_reference
            for remote_references in self.by_identifier.values()
            if len(remote_references) > 1
            for remote_reference in remote_references
        }
        return [
            resource
            for remote_reference, resource in self.unrecorded.items()
            if remote_reference not in shared
        ]


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH_SIZE):
        yield ids[start : start + BATCH_SIZE]
