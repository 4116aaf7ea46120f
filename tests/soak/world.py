"""Everything of one schedule: our processes over one database, the hospital, the wire between them, one clock."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import requests

from fhir_pmp.ehr.client import EhrClient, Limits
from fhir_pmp.ehr.destinations import Destination, Patients, WriteStrategy
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.pull import Pull, Reach
from fhir_pmp.ehr.push import Pace, Push
from fhir_pmp.ehr.reconcile import Reconcile, Tempo
from fhir_pmp.ehr.retry_after import read_retry_after
from fhir_pmp.identifiers import DestinationId, SourceId
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.soak import wire
from tests.soak.clinic import clinics
from tests.soak.eyes import Eyes, look_into
from tests.soak.history import Asked, Died, Done, Emptied, Event, History, Stood, Stopped
from tests.soak.hospital import BASE, MEDICARE, Hospital, Wired
from tests.soak.process import Killed, Moment, Process, crash_points_told
from tests.stub_ehr.json_text import from_json
from tests.stub_ehr.records import Version

PER_PAGE = 7
HOSPITAL = DestinationId("hospital")
OPENS_AT = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)
EACH_REQUEST = timedelta(milliseconds=20)
READ_TIMEOUT = timedelta(seconds=30)
LAG = timedelta(seconds=60)
SKEW = timedelta(minutes=37)
"""How far the hospital's clock is ahead of ours."""

Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """What kind of EHR the schedule is about."""

    theirs: bool = False  # whether the EHR keeps its own Patients
    ids: str = "ours"  # "ours", "conditional update", "conditional create"
    entries: int = 500  # of one Bundle
    bundles: bool = True  # whether the server takes transactions
    per_lane: int = 1000

    @property
    def destination(self) -> Destination:
        """Its file."""
        ways = {
            "ours": WriteStrategy.OUR_ID,
            "conditional update": WriteStrategy.CONDITIONAL_UPDATE,
            "conditional create": WriteStrategy.CONDITIONAL_CREATE,
        }
        return Destination(
            id=HOSPITAL,
            title="A hospital",
            patients=Patients.THEIRS if self.theirs else Patients.OURS,
            identifier_systems=(MEDICARE,) if self.theirs else (),
            types=None,
            strategy=ways[self.ids],
            entries_per_bundle=self.entries,
            connections=1,
        )


class WatchedPush(Push):
    """A fault of ours ends the schedule, where the product would set the lane aside."""

    def _set_aside(self, unexpected: Exception, *_: Any) -> bool:
        raise unexpected


@dataclass
class Syncing:
    """A sync process: its life, its wire, its neighbour."""

    life: Process
    neighbour: Neighbour
    push: Push


@dataclass
class World:
    """Does steps and writes down what happened. Steps themselves are in `tests.soak.steps`."""

    setting: Setting
    store: Store
    url: str
    weather: Mapping[str, Any] = field(default_factory=lambda: {"kind": "fair"})

    def __post_init__(self) -> None:
        self._ours = OPENS_AT
        self._theirs = OPENS_AT + SKEW
        self.history = History(named_by_server=self.setting.ids != "ours", theirs=self.setting.theirs)
        self.hospital = Hospital(
            self._stood,
            lambda: self._theirs,
            client_ids=self.setting.ids == "ours",
            bundles=self.setting.bundles,
        )
        self._systems = clinics()[0].own_systems([SourceId("redcap-wide")])
        self.publisher = Publisher((HOSPITAL,), zone=clinics()[0].zone)
        self.do_meanwhile: Any = None
        self._looking = look_into(self.url)
        self._eyes = Eyes(self._looking)
        self._at = 0
        self._lives = 0
        self._syncing: dict[int, Syncing] = {}
        self._running: list[Process] = []
        self._writing: int | None = None
        self._first_seen: dict[str, datetime] = {}
        self._arranged = ExitStack()
        self._arranged.enter_context(crash_points_told(self._reach))
        self._arranged.enter_context(wire.without_timers())

    def close(self) -> None:
        """Ends what is open."""
        self._arranged.close()
        self._looking.close()

    @property
    def now(self) -> datetime:
        """What our clock says."""
        return self._ours

    @now.setter
    def now(self, moment: datetime) -> None:
        # Where ours is set back, theirs goes on.
        self._theirs += max(moment - self._ours, timedelta(0))
        self._ours = moment

    # processes

    @contextmanager
    def life(self, moments: Sequence[Moment] = ()) -> Iterator[Process]:
        """A process of its own for one thing, as a web request or a command is; it may be killed in it."""
        process = self._born()
        with self._runs(process, moments):
            yield process

    def sync(self, worker: int, what: str, moments: Sequence[Moment] = ()) -> bool:
        """One push, pull or reconcile by a sync process, which goes on to the next until it is killed. Whether it got
        to its end, where it can say.
        """
        complete = True
        while worker in self._syncing and self._syncing[worker].life in self._running:
            worker += 1  # it is paused in the middle of a push: this is another one
        if worker not in self._syncing:
            self._syncing[worker] = self._started(worker)
        syncing = self._syncing[worker]
        with self._runs(syncing.life, moments):
            match what:
                case "push":
                    syncing.push.run()
                case "pull":
                    self._pull(syncing).run()
                case "reconcile":
                    complete = self._reconcile(syncing).run().complete
        if syncing.life.stop.is_set():
            self.note(Stopped(self.tick(), syncing.life.number))
        if syncing.life.dead or syncing.life.stop.is_set():
            del self._syncing[worker]
        return complete

    def restart(self) -> None:
        """Every sync process that is not in the middle of something ends in good order; others begin."""
        for worker in [w for w, s in self._syncing.items() if s.life not in self._running]:
            del self._syncing[worker]

    def note(self, event: Event) -> None:
        """Writes down."""
        self.history.events.append(event)

    def tick(self) -> int:
        """The next number in the order of things."""
        self._at += 1
        return self._at

    def look(self, process: int = 0) -> None:
        """Writes down what our tables say now, after a commit of this process."""
        self.history.events.extend(self._eyes.news(self.tick(), process, self.now.timestamp()))

    @contextmanager
    def _runs(self, process: Process, moments: Sequence[Moment]) -> Iterator[None]:
        process.expect(moments)
        self._running.append(process)
        try:
            yield
            self.note(Done(self.tick(), process.number))
        except Killed:
            if not process.dead:
                raise
            self.note(Died(self.tick(), process.number))
        finally:
            self._running.pop()

    def _born(self) -> Process:
        self._lives += 1
        process = Process(self._lives, self.store, self._meet)
        process.store.committed = lambda: self.look(process.number)
        return process

    def _started(self, worker: int) -> Syncing:
        life = self._born()
        client = EhrClient(BASE, connections=1, limits=Limits(5.0, 30.0, 60.0))
        client._session.mount("http://", wire.Wire(lambda sent: self._carry(life, sent)))
        neighbour = Neighbour(self.setting.destination, client)
        push = WatchedPush(
            life.store,
            neighbour,
            lambda: self.now,
            pace=Pace(per_lane=self.setting.per_lane),
            chance=Random(life.number * 7 + worker),
            stop=life.stop,
            wait=self._pass,
        )
        return Syncing(life, neighbour, push)

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _pull(self, syncing: Syncing) -> Pull:
        return Pull(
            syncing.life.store,
            syncing.neighbour,
            self._systems,
            lambda: self.now,
            reach=Reach(per_page=PER_PAGE),
            chance=Random(syncing.life.number),
            stop=syncing.life.stop,
        )

    def _reconcile(self, syncing: Syncing) -> Reconcile:
        return Reconcile(
            syncing.life.store,
            syncing.neighbour,
            self._systems,
            lambda: self.now,
            tempo=Tempo(requests_per_second=1e9, per_page=PER_PAGE, pause=self._pass),
            chance=Random(syncing.life.number),
            stop=syncing.life.stop,
        )

    def _reach(self, name: str) -> None:
        if self._running:
            self._running[-1].reach(name)

    def _meet(self, moment: Moment) -> None:
        """While one process stands still, time passes and others go on."""
        self.now += timedelta(seconds=moment.get("pause", 0))
        for step in moment.get("steps", ()):
            self.do_meanwhile(step)

    # the wire

    def _carry(self, life: Process, sent: wire.OnWire) -> Wired:
        at, clock = self.tick(), self.now
        carried = _Carried()
        try:
            wired = self._through(life, sent, carried, at)
        except Killed:
            self._asked(life, sent, at, clock, "died", None, carried)
            raise
        except requests.RequestException:
            self._asked(life, sent, at, clock, "lost" if carried.seen else "not sent", None, carried)
            raise
        self._asked(life, sent, at, clock, "answered", wired, carried)
        return wired

    def _through(self, life: Process, sent: wire.OnWire, carried: "_Carried", at: int) -> Wired:
        faults = life.reach("request")
        self.now += EACH_REQUEST
        weather = self.weather["kind"]
        if weather == "down":
            raise wire.nobody_listens()
        for fault in faults:
            match fault["do"]:
                case "reset":
                    raise wire.was_reset()
                case "refuse connection":
                    raise wire.nobody_listens()
                case "status":
                    return wire.status(fault["status"], fault.get("retry_after"))
                case "stale":
                    stale = self._stale(sent)
                    if stale is not None:
                        return stale
        if weather == "status":
            return wire.status(self.weather["status"], self.weather.get("retry_after"))
        carried.seen = True
        wired = self._answered(sent, at)
        if any(fault["do"] == "twice" for fault in faults):
            wired = self._answered(sent, at)
        for fault in life.reach("answer"):
            wired = self._spoilt(wired, fault)
        if weather == "deaf":
            self.now += READ_TIMEOUT
            raise wire.took_too_long()
        return wired

    def _answered(self, sent: wire.OnWire, at: int) -> Wired:
        self._writing = at
        try:
            wired = self.hospital.answer(sent.method, sent.address, sent.headers, sent.body)
        finally:
            self._writing = None
        if self.weather["kind"] == "lag" and sent.address.endswith("/_search"):
            return self._lagging(wired)
        return wired

    def _spoilt(self, wired: Wired, fault: Moment) -> Wired:
        match fault["do"]:
            case "reset":
                raise wire.was_reset()
            case "timeout":
                self.now += READ_TIMEOUT
                raise wire.took_too_long()
            case "cut off":
                return wire.cut_off(wired)
            case "html":
                return wire.html(wired)
            case "empty":
                return wire.empty(wired)
            case "no version":
                return wire.without_version(wired)
            case "status":
                return wire.status(fault["status"], fault.get("retry_after"))
        return wired

    def _stale(self, sent: wire.OnWire) -> Wired | None:
        """A read that a copy answers which has not heard of the newest version yet."""
        place = sent.address.removeprefix(BASE + "/")
        if sent.method != "GET" or place == "metadata":
            return None
        older = self.hospital.older(place)
        return None if older is None else Hospital.shown(older)

    def _lagging(self, wired: Wired) -> Wired:
        """A search that does not find yet what was stored within the last minute."""
        bundle = from_json(wired.body)
        known = [
            entry
            for entry in bundle.get("entry", [])
            if self._first_seen.get(_place(entry["resource"]), OPENS_AT) <= self.now - LAG
        ]
        return Hospital.shown({**bundle, "total": len(known), "entry": known})

    def _asked(
        self, life: Process, sent: wire.OnWire, at: int, clock: datetime, outcome: str, wired: Wired | None,
        carried: "_Carried",
    ) -> None:  # fmt: skip
        after = read_retry_after(wired.headers.get("Retry-After"), self.now) if wired else None
        path = sent.address.removeprefix(BASE).strip("/")
        self.note(
            Asked(
                at, self.tick(), life.number, clock.timestamp(), self.now.timestamp(), sent.method, path,
                outcome, wired.status if wired else None, after, carried.seen,
            )
        )  # fmt: skip

    # the hospital

    def empty_hospital(self, *, ids_again: bool, strangers: Sequence[str]) -> None:
        """Its server is restarted and has nothing."""
        self.note(Emptied(self.tick()))
        self._first_seen.clear()
        self.hospital.restart_empty(ids_again=ids_again, strangers=strangers)

    def _stood(self, versions: Sequence[Version]) -> None:
        at = self.tick()
        for v in versions:
            place = f"{v.kind}/{v.id}"
            self._first_seen.setdefault(place, self.now)
            content = None if v.resource is None else {n: x for n, x in v.resource.items() if n != "meta"}
            self.note(Stood(at, place, v.number, content, self._writing))


@dataclass
class _Carried:
    """What became of a request on its way."""

    seen: bool = False


def _place(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
