"""Reads what changed at one destination: a window of the server's clock, page by page, each page kept before the next."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

import structlog

from fhir_pmp.ehr import breaker as breakers
from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.destinations import Patients
from fhir_pmp.ehr.hints import Hints, NotNow
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.outcomes import PAUSES, TRANSIENT, Meaning, OffOrigin, Untrusted, Verdict, WireFailure
from fhir_pmp.ehr.pages import PER_PAGE, Page, read_page, updated_at, window
from fhir_pmp.ehr.taking_up import TakingUp
from fhir_pmp.errors import Refused
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import SHARED_BY_MANY
from fhir_pmp.store.pull_book import Cursor

OVERLAP = timedelta(seconds=300)
"""A row may be committed so long after the moment it bears (a FHIR server documents up to 120 s)."""
FIRST_LOOK_BACK = timedelta(days=1)
"""What changed at an EHR before we ever read it is found by the reconcile; the pull begins shortly before now."""
REMEMBERS = timedelta(days=90)
PULL_REFUSED = "pull_refused"

ALWAYS = ("Patient", "ServiceRequest", "Task")
"""Types that are read whoever wrote them."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How much is read in one run at most; the next run goes on at the page where this one stopped."""

    per_page: int = PER_PAGE
    pages: int = 100  # of all types together
    restarts: int = 2  # of one window, whose pages went away


@dataclass
class Pulled:
    """What one run came to."""

    destination: DestinationId
    counts: Counter[str] = field(default_factory=Counter)  # new, kept, complete, refused, pages

    def __str__(self) -> str:
        told = (f"{count} {what}" for what, count in sorted(self.counts.items()))
        return ", ".join(told) or "nothing read"


class _Ends(Exception):
    """This run can read no more from this destination now."""


class Pull:
    """Pulls from one destination. One process at a time does, under a lease; killed anywhere, the next goes on."""

    def __init__(
        self,
        store: Store,
        neighbour: Neighbour,
        systems: Sequence[str],
        clock: Callable[[], datetime],
        *,
        reach: Reach | None = None,
        chance: Random | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`systems`: of our identifiers; of types that hold everybody's records only ours are asked for."""
        self._store = store
        self._neighbour = neighbour
        self._systems = tuple(systems)
        self._clock = clock
        self._reach = reach or Reach()
        self._stop = stop or threading.Event()
        self._hints = Hints(store, neighbour, clock)
        self._breaker = breakers.KeptBreaker(store, neighbour.id, chance or Random())
        limits = neighbour.client.limits
        self._one_call = timedelta(seconds=limits.whole_call + limits.connect + 15)
        self._holder = uuid4().hex

    def run(self) -> Pulled:
        """Reads every type to its end, or until the run's pages are used up, the destination fails, or `stop` is set."""
        return self._run(everything=True)

    def follow_hints(self) -> Pulled:
        """Reads only what the destination's webhooks have named; asks nothing where there were none."""
        if not self._hints.waiting():
            return Pulled(self._neighbour.id)
        return self._run(everything=False)

    def _run(self, *, everything: bool) -> Pulled:
        pulled = Pulled(self._neighbour.id)
        if not self._breaker.may_begin(self._clock(), self._one_call) or not self._lease():
            return pulled
        heard = self._neighbour.client.answers_here
        try:
            capability = self._capability()
            taking_up = TakingUp(self._store, self._neighbour, capability, self._clock)
            self._follow(capability, taking_up, pulled)
            for kind in self._types(capability) if everything else ():
                self._pull(kind, taking_up, pulled)
            pulled.counts += taking_up.understand()
            if self._neighbour.client.answers_here > heard:
                self._breaker.has_succeeded(self._clock())
        except _Ends:
            pass
        finally:
            self._give_back()
        if pulled.counts["new"] or pulled.counts["refused"]:
            structlog.get_logger().info("pulled", destination=pulled.destination, count=pulled.counts["new"])
        return pulled

    def _follow(self, capability: Capability, taking_up: TakingUp, pulled: Pulled) -> None:
        try:
            pulled.counts += self._hints.follow(capability, taking_up)
        except (WireFailure, Untrusted) as failure:
            self._fail(failure)
        except NotNow as not_now:
            self._check(not_now.verdict)
            # It works, and does not show us this one: the next run asks again.

    def _types(self, capability: Capability) -> list[str]:
        with self._store.read() as books:
            held = books.standing.types_held(self._neighbour.id)
        searched = {kind for kind, of in capability.types.items() if "search-type" in of.interactions}
        return [kind for kind in dict.fromkeys([*ALWAYS, *held]) if kind in searched]

    def _pull(self, kind: str, taking_up: TakingUp, pulled: Pulled) -> None:
        restarts = 0
        asked: set[str] = set()
        with self._store.read() as books:
            cursor = books.pulling.cursor(self._neighbour.id, kind)
        address = cursor.page_url
        while pulled.counts["pages"] < self._reach.pages and not self._stop.is_set():
            if address is None:
                cursor = self._begin(cursor)
                address = window(kind, cursor.window_from, self._narrowed(kind), self._reach.per_page)
            page = self._read(address, kind, cursor, pulled)
            if page is None or page.next in asked | {address}:
                self._refuse(
                    cursor, "its pages go round in a circle" if page else "it leads us elsewhere", pulled
                )
                return
            pulled.counts["pages"] += 1
            if page.verdict.meaning in (Meaning.NOT_THERE, Meaning.GONE) and restarts < self._reach.restarts:
                restarts, address = restarts + 1, None
                cursor = replace(cursor, page_url=None)
                asked.clear()
                continue
            if page.verdict.meaning is not Meaning.DONE:
                self._refuse(cursor, f"status {page.verdict.status}", pulled)
                return
            asked.add(address)
            cursor = self._after(cursor, page)
            pulled.counts += taking_up.keep(kind, page.resources, cursor)
            if cursor.page_url is None:
                pulled.counts["complete"] += 1
                return
            address = cursor.page_url

    def _begin(self, cursor: Cursor) -> Cursor:
        """A new window, of the server's clock."""
        since = cursor.watermark
        if since is None:
            since = self._where_to_begin(cursor.type)
        begin = None if since is None else since - OVERLAP
        return replace(cursor, page_url=None, window_from=begin, newest_seen=None, server_date=None)

    def _where_to_begin(self, kind: str) -> datetime | None:
        address = f"{kind}?_sort=-_lastUpdated&_count=1"
        self._end_if_opened()
        try:
            page = read_page(self._neighbour.client, address, kind, self._clock())
        except (WireFailure, Untrusted) as failure:
            self._fail(failure)
        self._check(page.verdict)
        newest = [at for at in map(updated_at, page.resources) if at is not None]
        server = page.server_date or (newest[0] if newest else None)
        return None if server is None else server - FIRST_LOOK_BACK

    def _read(self, address: str, kind: str, cursor: Cursor, pulled: Pulled) -> Page | None:
        """The page; None where its address leads away from the destination: nothing is asked there."""
        if not self._lease():
            raise _Ends
        self._end_if_opened()
        try:
            page = read_page(self._neighbour.client, address, kind, self._clock())
        except OffOrigin:
            return None
        except (WireFailure, Untrusted) as failure:
            self._fail(failure)
        self._check(page.verdict)
        return page

    def _check(self, verdict: Verdict) -> None:
        """Ends the run where the destination refuses us or is sick."""
        now = self._clock()
        if verdict.meaning in PAUSES:
            self._breaker.pause(now, verdict.reason or "the destination refuses us", verdict.status)
            raise _Ends
        if verdict.meaning in TRANSIENT or verdict.meaning is Meaning.NOT_FINAL:
            self._breaker.has_failed(now, verdict.reason or f"status {verdict.status}", verdict.after_seconds)
            raise _Ends

    def _after(self, cursor: Cursor, page: Page) -> Cursor:
        """The cursor once this page is kept: at the next page, or, after the last one, with a new watermark."""
        first = cursor.page_url is None and cursor.newest_seen is None and cursor.server_date is None
        seen = [at for at in map(updated_at, page.resources) if at is not None]
        newest = max([*seen, *([cursor.newest_seen] if cursor.newest_seen else [])], default=None)
        server = page.server_date if first else cursor.server_date
        if page.next is not None:
            return replace(cursor, page_url=page.next, newest_seen=newest, server_date=server)
        return Cursor(
            cursor.type, _watermark(cursor, newest, server), window_from=cursor.window_from,
            completed_at=self._clock(),
        )  # fmt: skip

    def _narrowed(self, kind: str) -> Sequence[str]:
        theirs = kind == "Patient" and self._neighbour.destination.patients is Patients.THEIRS
        everybodys = theirs or kind in ("ServiceRequest", "Task") or kind in SHARED_BY_MANY
        return () if everybodys else self._systems

    def _refuse(self, cursor: Cursor, why: str, pulled: Pulled) -> None:
        """This window ends here without a watermark: the next run begins it anew, and a person is told."""
        now = self._clock()
        with self._store.begin_beside() as books:
            books.pulling.put_cursor(self._neighbour.id, replace(cursor, page_url=None))
            books.work_items.open(
                PULL_REFUSED,
                about=f"destination/{self._neighbour.id}/{cursor.type}",
                role="administrator",
                what="What changed at the destination cannot be read to its end. Show its team how it answers.",
                now=now,
                details={"destination": self._neighbour.id, "type": cursor.type, "reason": why},
            )
        pulled.counts["refused"] += 1

    def _fail(self, failure: WireFailure | Untrusted) -> None:
        now = self._clock()
        if isinstance(failure, Untrusted):
            self._breaker.pause(now, str(failure), None)
        else:
            self._breaker.has_failed(now, str(failure), failure.after_seconds)
        raise _Ends from None

    def _end_if_opened(self) -> None:
        """Somebody else has been told to wait since this run began: what that asks for holds for it as well."""
        if self._breaker.was_opened():
            raise _Ends

    def _capability(self) -> Capability:
        self._end_if_opened()
        try:
            return self._neighbour.capability(self._clock())
        except WireFailure as failure:
            self._breaker.has_failed(self._clock(), str(failure), failure.after_seconds)
        except Refused as refusal:
            self._breaker.pause(self._clock(), str(refusal), None)
        raise _Ends

    def _lease(self) -> bool:
        with self._store.begin_beside() as books:
            name, now = f"pull {self._neighbour.id}", self._clock()
            return books.leases.take(name, self._holder, now=now, lasts=self._one_call) is not None

    def _give_back(self) -> None:
        with self._store.begin_beside() as books:
            books.leases.give_back(f"pull {self._neighbour.id}", self._holder)


def _watermark(cursor: Cursor, newest: datetime | None, server: datetime | None) -> datetime | None:
    """As far as everything is known: never beyond the newest row seen, never beyond the server's own clock."""
    began = None if cursor.window_from is None else cursor.window_from + OVERLAP
    known = [at for at in (newest, cursor.watermark, began) if at is not None]
    return min([max(known), *([server] if server else [])]) if known else server
