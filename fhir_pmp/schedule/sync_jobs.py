"""Builds the jobs of a sync process.

Every process runs the pushes; only the leader runs the timers.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir_pmp.ehr.capability.capability_verifier import CapabilityVerifier
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.connection.readback import ReadBackMonitor
from fhir_pmp.ehr.push.stale_alerts import alert_unacknowledged
from fhir_pmp.ehr.push.worker import PushPace, PushWorker
from fhir_pmp.ehr.sign_in import BackendSignIn
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.intake.episode.closed_windows import finish_closed_episodes
from fhir_pmp.intake.referral.resume_referrals import resume_referrals
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.lifecycle.drafting import draft_due_letters
from fhir_pmp.letters.lifecycle.review import review_signed_letters
from fhir_pmp.runtime import Runtime, build_runtime
from fhir_pmp.schedule.ehr_read_jobs import build_ehr_read_jobs
from fhir_pmp.settings import Settings
from fhir_pmp.store import Store

SLOW_INTERVAL_SECONDS = 300
"""Seconds between checks that depend on time only: closed windows, signed letters with changed facts."""


def utc_now() -> datetime:
    """The present time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timer:
    """A periodic job of the leader.

    It gets a store that is fenced by the lease.
    """

    name: str
    seconds: int
    job: Callable[[Store], object]


@dataclass(frozen=True, slots=True)
class SyncJobs:
    """The pushes and timers of one sync process.

    Every process runs its pushes; only the leader runs its timers.
    """

    runtime: Runtime
    pushes: Mapping[str, Callable[[], object]]
    timers: Sequence[Timer]
    ehr_connections: Sequence[EhrConnection]
    letter_context: LetterContext

    def abort(self) -> None:
        """Cuts off the running calls to EHRs; the next claim verifies what may have arrived."""
        for connection in self.ehr_connections:
            connection.client.abort()

    def close(self) -> None:
        """Closes the jobs and the runtime."""
        self.letter_context.close()
        for connection in self.ehr_connections:
            connection.client.close()
        self.runtime.store.close()


def build_sync_jobs(settings: Settings, stop: threading.Event) -> SyncJobs:
    """Builds the jobs by the settings; `stop` ends them. Raises the errors of `build_runtime`."""
    runtime = build_runtime(settings, utc_now())
    letter_context = LetterContext.open(runtime.mappings / "letters", runtime.clinic, runtime.publisher)
    ehr_connections = [
        EhrConnection(
            destination,
            _client(settings, runtime, name),
            CapabilityVerifier(runtime.store),
            ReadBackMonitor(utc_now),
        )
        for name, destination in runtime.destinations.items()
    ]
    pace = PushPace(drain_per_second=settings.drain_per_second)
    pushes = {
        f"push to {connection.id}": PushWorker(runtime.store, connection, utc_now, pace=pace, stop=stop).run
        for connection in ehr_connections
    }
    timers = _timers(settings, runtime, letter_context, ehr_connections, stop)
    return SyncJobs(runtime, pushes, timers, ehr_connections, letter_context)


def _client(settings: Settings, runtime: Runtime, name: DestinationId) -> EhrClient:
    base, sign_in = settings.destinations[name], runtime.destinations[name].sign_in
    tokens = None
    if sign_in is not None:
        tokens = BackendSignIn(base, sign_in, runtime.signing_keys[name], utc_now)
    return EhrClient(base, connections=settings.connections, tokens=tokens)


def _timers(
    settings: Settings,
    runtime: Runtime,
    letter_context: LetterContext,
    ehr_connections: Sequence[EhrConnection],
    stop: threading.Event,
) -> list[Timer]:

    def draft(store: Store) -> None:
        while not stop.is_set() and draft_due_letters(store, letter_context, utc_now()):
            pass

    return [
        Timer(
            "referrals to resume",
            SLOW_INTERVAL_SECONDS,
            lambda store: resume_referrals(store, runtime.publishing, utc_now()),
        ),
        Timer(
            "timekeeping",
            SLOW_INTERVAL_SECONDS,
            lambda store: finish_closed_episodes(store, runtime.publishing, utc_now()),
        ),
        Timer(
            "signed letters",
            SLOW_INTERVAL_SECONDS,
            lambda store: review_signed_letters(store, letter_context, utc_now()),
        ),
        Timer("letters", settings.sync_seconds, draft),
        Timer(
            "unacknowledged deliveries",
            SLOW_INTERVAL_SECONDS,
            lambda store: alert_unacknowledged(
                store,
                list(runtime.destinations),
                older_than=timedelta(days=settings.unacknowledged_days),
                now=utc_now(),
            ),
        ),
        *(Timer(*job) for job in build_ehr_read_jobs(settings, runtime, ehr_connections, stop)),
    ]
