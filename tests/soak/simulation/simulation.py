"""Everything of one schedule: our processes over one database, the hospital, the wire between them, one clock."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import requests

from fhir_pmp.ehr.config.destinations import Destination, PatientOwnership, WriteStrategy
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushPace, PushWorker
from fhir_pmp.ehr.sync_back.pull import PullLimits, PullWorker
from fhir_pmp.ehr.sync_back.reconcile import ReconcilePace, ReconcileWorker
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.ehr.transport.retry_after import read_retry_after
from fhir_pmp.identifiers import DestinationId, SourceId
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.soak.history import (
    EhrEmptied,
    History,
    HistoryEvent,
    ProcessContinued,
    ProcessKilled,
    ProcessStopped,
    RemoteVersionStored,
    RequestMade,
)
from tests.soak.simulation import network
from tests.soak.simulation.database_observer import DatabaseObserver, open_observer_connection
from tests.soak.simulation.killable_process import KillableProcess, Killed, Moment, crash_points_hooked
from tests.soak.simulation.simulated_ehr import BASE, MEDICARE, SimulatedEhr, WireResponse
from tests.soak.simulation.small_clinic import clinic_variants
from tests.stub_ehr.json_text import from_json
from tests.stub_ehr.records import Version

PER_PAGE = 7
HOSPITAL = DestinationId("hospital")
START_TIME = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)
REQUEST_DURATION = timedelta(milliseconds=20)
READ_TIMEOUT = timedelta(seconds=30)
SEARCH_LAG = timedelta(seconds=60)
EHR_CLOCK_SKEW = timedelta(minutes=37)
"""How far the hospital's clock is ahead of ours."""

Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScheduleSetting:
    """What kind of EHR the schedule is about."""

    theirs: bool = False  # whether the EHR keeps its own Patients
    ids: str = "ours"  # "ours", "conditional update", "conditional create"
    entries: int = 500  # of one Bundle
    bundles: bool = True  # whether the server takes transactions
    per_lane: int = 1000

    @property
    def destination(self) -> Destination:
        """Its file."""
        strategies = {
            "ours": WriteStrategy.OUR_ID,
            "conditional update": WriteStrategy.CONDITIONAL_UPDATE,
            "conditional create": WriteStrategy.CONDITIONAL_CREATE,
        }
        return Destination(
            id=HOSPITAL,
            title="A hospital",
            patients=PatientOwnership.THEIRS if self.theirs else PatientOwnership.OURS,
            identifier_systems=(MEDICARE,) if self.theirs else (),
            types=None,
            strategy=strategies[self.ids],
            entries_per_bundle=self.entries,
            connections=1,
        )


class FailFastPush(PushWorker):
    """A fault of ours ends the schedule, where the product would set the lane aside."""

    def _retry_after_fault(self, unexpected: Exception, *_: Any) -> bool:
        raise unexpected


@dataclass
class SyncWorkerState:
    """A sync process, with its client and its EHR connection."""

    process: KillableProcess
    connection: EhrConnection
    push: PushWorker


@dataclass
class Simulation:
    """Does steps and writes down what happened. Steps themselves are in `tests.soak.schedules.steps`."""

    setting: ScheduleSetting
    store: Store
    url: str
    ehr_condition: Mapping[str, Any] = field(default_factory=lambda: {"kind": "healthy"})

    def __post_init__(self) -> None:
        self._our_clock = START_TIME
        self._ehr_clock = START_TIME + EHR_CLOCK_SKEW
        self.history = History(named_by_server=self.setting.ids != "ours", theirs=self.setting.theirs)
        self.hospital = SimulatedEhr(
            self._record_remote_versions,
            lambda: self._ehr_clock,
            client_ids=self.setting.ids == "ours",
            bundles=self.setting.bundles,
        )
        self._systems = clinic_variants()[0].ids.own_systems([SourceId("redcap-wide")])
        self.publisher = Publisher((HOSPITAL,), zone=clinic_variants()[0].zone)
        self.run_step: Any = None
        self._observer_connection = open_observer_connection(self.url)
        self._observer = DatabaseObserver(self._observer_connection)
        self._position = 0
        self._process_count = 0
        self._sync_workers: dict[int, SyncWorkerState] = {}
        self._running: list[KillableProcess] = []
        self._writing: int | None = None
        self._first_seen: dict[str, datetime] = {}
        self._cleanup = ExitStack()
        self._cleanup.enter_context(crash_points_hooked(self._reach))
        self._cleanup.enter_context(network.without_call_deadlines())

    def close(self) -> None:
        """Ends what is open."""
        self._cleanup.close()
        self._observer_connection.close()

    @property
    def now(self) -> datetime:
        """What our clock says."""
        return self._our_clock

    @now.setter
    def now(self, moment: datetime) -> None:
        # Where ours is set back, theirs goes on.
        self._ehr_clock += max(moment - self._our_clock, timedelta(0))
        self._our_clock = moment

    # processes

    @contextmanager
    def process(self, moments: Sequence[Moment] = ()) -> Iterator[KillableProcess]:
        """A process of its own for one thing, as a web request or a command is; it may be killed in it."""
        process = self._new_process()
        with self._running_as(process, moments):
            yield process

    def sync(self, worker: int, what: str, moments: Sequence[Moment] = ()) -> bool:
        """One push, pull or reconcile by a sync process, which goes on to the next until it is killed. Whether it got
        to its end, where it can say.
        """
        complete = True
        while worker in self._sync_workers and self._sync_workers[worker].process in self._running:
            worker += 1  # it is paused in the middle of a push: this is another one
        if worker not in self._sync_workers:
            self._sync_workers[worker] = self._start_sync_worker(worker)
        sync_worker = self._sync_workers[worker]
        with self._running_as(sync_worker.process, moments):
            match what:
                case "push":
                    sync_worker.push.run()
                case "pull":
                    self._pull(sync_worker).run()
                case "reconcile":
                    complete = self._reconcile(sync_worker).run().complete
        if sync_worker.process.stop.is_set():
            self.record_event(ProcessStopped(self.next_position(), sync_worker.process.number))
        if sync_worker.process.is_killed or sync_worker.process.stop.is_set():
            del self._sync_workers[worker]
        return complete

    def restart(self) -> None:
        """Every sync process that is not in the middle of something ends in good order; others begin."""
        for worker in [w for w, s in self._sync_workers.items() if s.process not in self._running]:
            del self._sync_workers[worker]

    def record_event(self, event: HistoryEvent) -> None:
        """Writes down."""
        self.history.events.append(event)

    def next_position(self) -> int:
        """The next number in the order of things."""
        self._position += 1
        return self._position

    def read_database_changes(self, process: int = 0) -> None:
        """Writes down what our tables say now, after a commit of this process."""
        self.history.events.extend(
            self._observer.read_changes(self.next_position(), process, self.now.timestamp())
        )

    @contextmanager
    def _running_as(self, process: KillableProcess, moments: Sequence[Moment]) -> Iterator[None]:
        process.plan_moments(moments)
        self._running.append(process)
        try:
            yield
            self.record_event(ProcessContinued(self.next_position(), process.number))
        except Killed:
            if not process.is_killed:
                raise
            self.record_event(ProcessKilled(self.next_position(), process.number))
        finally:
            self._running.pop()

    def _new_process(self) -> KillableProcess:
        self._process_count += 1
        process = KillableProcess(self._process_count, self.store, self._run_meanwhile)
        process.store.on_commit = lambda: self.read_database_changes(process.number)
        return process

    def _start_sync_worker(self, worker: int) -> SyncWorkerState:
        process = self._new_process()
        client = EhrClient(BASE, connections=1, limits=Limits(5.0, 30.0, 60.0))
        client._session.mount(
            "http://", network.SimulatedNetworkAdapter(lambda sent: self._transmit(process, sent))
        )
        connection = EhrConnection(self.setting.destination, client)
        push = FailFastPush(
            process.store,
            connection,
            lambda: self.now,
            pace=PushPace(per_lane=self.setting.per_lane),
            rng=Random(process.number * 7 + worker),
            stop=process.stop,
            wait=self._advance_clock,
        )
        return SyncWorkerState(process, connection, push)

    def _advance_clock(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _pull(self, sync_worker: SyncWorkerState) -> PullWorker:
        return PullWorker(
            sync_worker.process.store,
            sync_worker.connection,
            self._systems,
            lambda: self.now,
            pull_limits=PullLimits(per_page=PER_PAGE),
            rng=Random(sync_worker.process.number),
            stop=sync_worker.process.stop,
        )

    def _reconcile(self, sync_worker: SyncWorkerState) -> ReconcileWorker:
        return ReconcileWorker(
            sync_worker.process.store,
            sync_worker.connection,
            self._systems,
            lambda: self.now,
            pace=ReconcilePace(requests_per_second=1e9, per_page=PER_PAGE, pause=self._advance_clock),
            rng=Random(sync_worker.process.number),
            stop=sync_worker.process.stop,
        )

    def _reach(self, name: str) -> None:
        if self._running:
            self._running[-1].reach(name)

    def _run_meanwhile(self, moment: Moment) -> None:
        """While one process stands still, time passes and others go on."""
        self.now += timedelta(seconds=moment.get("pause", 0))
        for step in moment.get("steps", ()):
            self.run_step(step)

    # the wire

    def _transmit(self, process: KillableProcess, sent: network.WireRequest) -> WireResponse:
        at, clock = self.next_position(), self.now
        transmission = _Transmission()
        try:
            answer = self._transmit_with_faults(process, sent, transmission, at)
        except Killed:
            self._record_request(process, sent, at, clock, "died", None, transmission)
            raise
        except requests.RequestException:
            self._record_request(
                process,
                sent,
                at,
                clock,
                "lost" if transmission.reached_ehr else "not sent",
                None,
                transmission,
            )
            raise
        self._record_request(process, sent, at, clock, "answered", answer, transmission)
        return answer

    def _transmit_with_faults(
        self, process: KillableProcess, sent: network.WireRequest, transmission: "_Transmission", at: int
    ) -> WireResponse:
        faults = process.reach("request")
        self.now += REQUEST_DURATION
        ehr_condition = self.ehr_condition["kind"]
        if ehr_condition == "down":
            raise network.connection_refused_error()
        for fault in faults:
            match fault["do"]:
                case "reset":
                    raise network.connection_reset_error()
                case "refuse connection":
                    raise network.connection_refused_error()
                case "status":
                    return network.status(fault["status"], fault.get("retry_after"))
                case "stale":
                    stale = self._stale_answer(sent)
                    if stale is not None:
                        return stale
        if ehr_condition == "status":
            return network.status(self.ehr_condition["status"], self.ehr_condition.get("retry_after"))
        transmission.reached_ehr = True
        answer = self._ask_ehr(sent, at)
        if any(fault["do"] == "twice" for fault in faults):
            answer = self._ask_ehr(sent, at)
        for fault in process.reach("answer"):
            answer = self._damage_answer(answer, fault)
        if ehr_condition == "no answer":
            self.now += READ_TIMEOUT
            raise network.read_timeout_error()
        return answer

    def _ask_ehr(self, sent: network.WireRequest, at: int) -> WireResponse:
        self._writing = at
        try:
            answer = self.hospital.answer(sent.method, sent.address, sent.headers, sent.body)
        finally:
            self._writing = None
        if self.ehr_condition["kind"] == "lag" and sent.address.endswith("/_search"):
            return self._without_recent_entries(answer)
        return answer

    def _damage_answer(self, answer: WireResponse, fault: Moment) -> WireResponse:
        match fault["do"]:
            case "reset":
                raise network.connection_reset_error()
            case "timeout":
                self.now += READ_TIMEOUT
                raise network.read_timeout_error()
            case "cut off":
                return network.truncated_response(answer)
            case "html":
                return network.html_response(answer)
            case "empty":
                return network.empty_response(answer)
            case "no version":
                return network.without_version_headers(answer)
            case "status":
                return network.status(fault["status"], fault.get("retry_after"))
        return answer

    def _stale_answer(self, sent: network.WireRequest) -> WireResponse | None:
        """A read that a copy answers which has not heard of the newest version yet."""
        remote_reference = sent.address.removeprefix(BASE + "/")
        if sent.method != "GET" or remote_reference == "metadata":
            return None
        previous_version = self.hospital.previous_version(remote_reference)
        return None if previous_version is None else SimulatedEhr.as_wire_response(previous_version)

    def _without_recent_entries(self, answer: WireResponse) -> WireResponse:
        """A search that does not find yet what was stored within the last minute."""
        bundle = from_json(answer.body)
        known = [
            entry
            for entry in bundle.get("entry", [])
            if self._first_seen.get(_remote_reference(entry["resource"]), START_TIME) <= self.now - SEARCH_LAG
        ]
        return SimulatedEhr.as_wire_response({**bundle, "total": len(known), "entry": known})

    def _record_request(
        self, process: KillableProcess, sent: network.WireRequest, at: int, clock: datetime, call_result: str, answer: WireResponse | None,
        transmission: "_Transmission",
    ) -> None:  # fmt: skip
        after = read_retry_after(answer.headers.get("Retry-After"), self.now) if answer else None
        path = sent.address.removeprefix(BASE).strip("/")
        self.record_event(
            RequestMade(
                at, self.next_position(), process.number, clock.timestamp(), self.now.timestamp(), sent.method, path,
                call_result, answer.status if answer else None, after, transmission.reached_ehr,
            )
        )  # fmt: skip

    # the hospital

    def empty_hospital(self, *, ids_again: bool, foreign_types: Sequence[str]) -> None:
        """Its server is restarted and has nothing."""
        self.record_event(EhrEmptied(self.next_position()))
        self._first_seen.clear()
        self.hospital.restart_empty(ids_again=ids_again, foreign_types=foreign_types)

    def _record_remote_versions(self, versions: Sequence[Version]) -> None:
        at = self.next_position()
        for v in versions:
            remote_reference = f"{v.kind}/{v.id}"
            self._first_seen.setdefault(remote_reference, self.now)
            content = None if v.resource is None else {n: x for n, x in v.resource.items() if n != "meta"}
            self.record_event(RemoteVersionStored(at, remote_reference, v.number, content, self._writing))


@dataclass
class _Transmission:
    """What became of a request on its way."""

    reached_ehr: bool = False


def _remote_reference(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
