"""Reads what changed at one destination, page by page; stores each page before the next."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

import structlog

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.config.work_item_kinds import PULL_REFUSED
from fhir_pmp.ehr.connection import breaker as breakers
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.exchange.search_pages import PER_PAGE, SearchPage, changes_url, last_updated_at, read_page
from fhir_pmp.ehr.sync_back.ingest import PullIngest
from fhir_pmp.ehr.sync_back.notifications import ChangeNotifications, NotificationDeferred
from fhir_pmp.ehr.transport.response_class import (
    PAUSES,
    TRANSIENT,
    ClassifiedResponse,
    HttpResponseClass,
    OffOrigin,
    Untrusted,
    WireFailure,
)
from fhir_pmp.errors import Refused
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import SHARED_TYPES
from fhir_pmp.store.remote_state.pull_cursors import PullCursor

OVERLAP = timedelta(seconds=300)
"""A row may be committed so long after the moment it bears (a FHIR server documents up to 120 s)."""
FIRST_LOOK_BACK = timedelta(days=1)
"""What changed at an EHR before we ever read it is found by the reconcile; the pull begins shortly before now."""
SEEN_VERSIONS_KEPT_FOR = timedelta(days=90)

ALWAYS_READ_TYPES = ("Patient", "ServiceRequest", "Task")
"""Types that are read whoever wrote them."""


@dataclass(frozen=True, slots=True)
class PullLimits:
    """Limits of one run; the next run continues at the page where it stopped."""

    per_page: int = PER_PAGE
    pages: int = 100  # of all types together
    restarts: int = 2  # of one window, whose pages went away


@dataclass
class PullResult:
    """What one run came to."""

    destination: DestinationId
    counts: Counter[str] = field(default_factory=Counter)  # new, kept, complete, refused, pages

    def __str__(self) -> str:
        counted = (f"{count} {what}" for what, count in sorted(self.counts.items()))
        return ", ".join(counted) or "nothing read"


class _RunEnded(Exception):
    """This run can read no more from this destination now."""


class PullWorker:
    """Pulls from one destination, one process at a time under a lease; resumes after kills."""

    def __init__(
        self,
        store: Store,
        connection: EhrConnection,
        systems: Sequence[str],
        clock: Callable[[], datetime],
        *,
        pull_limits: PullLimits | None = None,
        rng: Random | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`systems`: of our identifiers; of types that hold everybody's records only ours are asked for."""
        self._store = store
        self._connection = connection
        self._systems = tuple(systems)
        self._clock = clock
        self._pull_limits = pull_limits or PullLimits()
        self._stop = stop or threading.Event()
        self._notifications = ChangeNotifications(store, connection, clock)
        self._breaker = breakers.StoredBreaker(store, connection.id, rng or Random())
        limits = connection.client.limits
        self._call_limit = timedelta(seconds=limits.whole_call + limits.connect + 15)
        self._holder = uuid4().hex

    def run(self) -> PullResult:
        """Reads every resource type until its end, the page limit, a failure or `stop`."""
        return self._run(everything=True)

    def follow_notifications(self) -> PullResult:
        """Reads only what the destination's webhooks have named; asks nothing where there were none."""
        if not self._notifications.waiting():
            return PullResult(self._connection.id)
        return self._run(everything=False)

    def _run(self, *, everything: bool) -> PullResult:
        result = PullResult(self._connection.id)
        if not self._breaker.try_begin(self._clock(), self._call_limit) or not self._take_lease():
            return result
        answers_before = self._connection.client.answers_in_this_thread
        try:
            capability = self._capability()
            ingest = PullIngest(self._store, self._connection, capability, self._clock)
            self._follow(capability, ingest, result)
            for kind in self._types(capability) if everything else ():
                self._pull(kind, ingest, result)
            result.counts += ingest.process_kept()
            if self._connection.client.answers_in_this_thread > answers_before:
                self._breaker.record_success(self._clock())
        except _RunEnded:
            pass
        finally:
            self._release_lease()
        if result.counts["new"] or result.counts["refused"]:
            structlog.get_logger().info("pulled", destination=result.destination, count=result.counts["new"])
        return result

    def _follow(self, capability: Capability, ingest: PullIngest, result: PullResult) -> None:
        try:
            result.counts += self._notifications.follow(capability, ingest)
        except (WireFailure, Untrusted) as failure:
            self._record_failure(failure)
        except NotificationDeferred as deferred:
            self._check(deferred.classified)
            # It works, and does not show us this one: the next run asks again.

    def _types(self, capability: Capability) -> list[str]:
        with self._store.read() as uow:
            held = uow.reconciliation.types_held(self._connection.id)
        searched = {kind for kind, of in capability.types.items() if "search-type" in of.interactions}
        return [kind for kind in dict.fromkeys([*ALWAYS_READ_TYPES, *held]) if kind in searched]

    def _pull(self, kind: str, ingest: PullIngest, result: PullResult) -> None:
        restarts = 0
        asked: set[str] = set()
        with self._store.read() as uow:
            cursor = uow.pull_cursors.cursor(self._connection.id, kind)
        address = cursor.page_url
        while result.counts["pages"] < self._pull_limits.pages and not self._stop.is_set():
            if address is None:
                cursor = self._begin_window(cursor)
                address = changes_url(
                    kind, cursor.window_from, self._systems_asked(kind), self._pull_limits.per_page
                )
            page = self._read(address, kind, cursor, result)
            if page is None or page.next in asked | {address}:
                self._refuse(
                    cursor, "its pages go round in a circle" if page else "it leads us elsewhere", result
                )
                return
            result.counts["pages"] += 1
            if (
                page.classified.response_class in (HttpResponseClass.NOT_FOUND, HttpResponseClass.GONE)
                and restarts < self._pull_limits.restarts
            ):
                restarts, address = restarts + 1, None
                cursor = replace(cursor, page_url=None)
                asked.clear()
                continue
            if page.classified.response_class is not HttpResponseClass.DONE:
                self._refuse(cursor, f"status {page.classified.status}", result)
                return
            asked.add(address)
            cursor = self._cursor_after(cursor, page)
            result.counts += ingest.keep(kind, page.resources, cursor)
            if cursor.page_url is None:
                result.counts["complete"] += 1
                return
            address = cursor.page_url

    def _begin_window(self, cursor: PullCursor) -> PullCursor:
        """A new window, of the server's clock."""
        since = cursor.watermark
        if since is None:
            since = self._first_watermark(cursor.type)
        begin = None if since is None else since - OVERLAP
        return replace(cursor, page_url=None, window_from=begin, newest_seen=None, server_date=None)

    def _first_watermark(self, kind: str) -> datetime | None:
        address = f"{kind}?_sort=-_lastUpdated&_count=1"
        self._end_if_breaker_open()
        try:
            page = read_page(self._connection.client, address, kind, self._clock())
        except (WireFailure, Untrusted) as failure:
            self._record_failure(failure)
        self._check(page.classified)
        newest = [at for at in map(last_updated_at, page.resources) if at is not None]
        server = page.server_date or (newest[0] if newest else None)
        return None if server is None else server - FIRST_LOOK_BACK

    def _read(self, address: str, kind: str, cursor: PullCursor, result: PullResult) -> SearchPage | None:
        """The page; None where its address leads away from the destination: nothing is asked there."""
        if not self._take_lease():
            raise _RunEnded
        self._end_if_breaker_open()
        try:
            page = read_page(self._connection.client, address, kind, self._clock())
        except OffOrigin:
            return None
        except (WireFailure, Untrusted) as failure:
            self._record_failure(failure)
        self._check(page.classified)
        return page

    def _check(self, classified: ClassifiedResponse) -> None:
        """Ends the run where the destination refuses us or is sick."""
        now = self._clock()
        if classified.response_class in PAUSES:
            self._breaker.pause(now, classified.reason or "the destination refuses us", classified.status)
            raise _RunEnded
        if classified.response_class in TRANSIENT or classified.response_class is HttpResponseClass.NOT_FINAL:
            self._breaker.record_failure(
                now, classified.reason or f"status {classified.status}", classified.after_seconds
            )
            raise _RunEnded

    def _cursor_after(self, cursor: PullCursor, page: SearchPage) -> PullCursor:
        """The cursor once this page is kept: at the next page, or, after the last one, with a new watermark."""
        first = cursor.page_url is None and cursor.newest_seen is None and cursor.server_date is None
        seen = [at for at in map(last_updated_at, page.resources) if at is not None]
        newest = max([*seen, *([cursor.newest_seen] if cursor.newest_seen else [])], default=None)
        server = page.server_date if first else cursor.server_date
        if page.next is not None:
            return replace(cursor, page_url=page.next, newest_seen=newest, server_date=server)
        return PullCursor(
            cursor.type, _watermark(cursor, newest, server), window_from=cursor.window_from,
            completed_at=self._clock(),
        )  # fmt: skip

    def _systems_asked(self, kind: str) -> Sequence[str]:
        theirs = kind == "Patient" and self._connection.destination.patients is PatientOwnership.THEIRS
        everybodys = theirs or kind in ("ServiceRequest", "Task") or kind in SHARED_TYPES
        return () if everybodys else self._systems

    def _refuse(self, cursor: PullCursor, why: str, result: PullResult) -> None:
        """This window ends here without a watermark: the next run begins it anew, and a person is told."""
        now = self._clock()
        with self._store.begin_without_publishing() as uow:
            uow.pull_cursors.put_cursor(self._connection.id, replace(cursor, page_url=None))
            uow.work_items.open(
                PULL_REFUSED,
                about=f"destination/{self._connection.id}/{cursor.type}",
                role="administrator",
                what="What changed at the destination cannot be read to its end. Show its team how it answers.",
                now=now,
                details={"destination": self._connection.id, "type": cursor.type, "reason": why},
            )
        result.counts["refused"] += 1

    def _record_failure(self, failure: WireFailure | Untrusted) -> None:
        now = self._clock()
        if isinstance(failure, Untrusted):
            self._breaker.pause(now, str(failure), None)
        else:
            self._breaker.record_failure(now, str(failure), failure.after_seconds)
        raise _RunEnded from None

    def _end_if_breaker_open(self) -> None:
        """Somebody else has been told to wait since this run began: what that asks for holds for it as well."""
        if self._breaker.is_open():
            raise _RunEnded

    def _capability(self) -> Capability:
        self._end_if_breaker_open()
        try:
            return self._connection.capability(self._clock())
        except WireFailure as failure:
            self._breaker.record_failure(self._clock(), str(failure), failure.after_seconds)
        except Refused as refusal:
            self._breaker.pause(self._clock(), str(refusal), None)
        raise _RunEnded

    def _take_lease(self) -> bool:
        with self._store.begin_without_publishing() as uow:
            name, now = f"pull {self._connection.id}", self._clock()
            return uow.leases.acquire(name, self._holder, now=now, duration=self._call_limit) is not None

    def _release_lease(self) -> None:
        with self._store.begin_without_publishing() as uow:
            uow.leases.release_lease(f"pull {self._connection.id}", self._holder)


def _watermark(cursor: PullCursor, newest: datetime | None, server: datetime | None) -> datetime | None:
    """As far as everything is known: never beyond the newest row seen, never beyond the server's own clock."""
    began = None if cursor.window_from is None else cursor.window_from + OVERLAP
    known = [at for at in (newest, cursor.watermark, began) if at is not None]
    return min([max(known), *([server] if server else [])]) if known else server
