"""Schedules reading of EHRs: notifications at once, a pull every minute, a reconcile each night."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.sync_back.pull import SEEN_VERSIONS_KEPT_FOR, PullWorker
from fhir_pmp.ehr.sync_back.reconcile import ReconcileWorker
from fhir_pmp.runtime import Runtime
from fhir_pmp.settings import Settings
from fhir_pmp.store import Store
from fhir_pmp.store.remote_state.reconciliation import Reconciliation

NIGHT_START_HOUR = 2
NIGHT_DURATION = timedelta(hours=4)
MAX_INTERVAL = timedelta(hours=36)
"""After this time without a reconcile it runs by day too, for processes stopped every night."""
RETRY_AFTER = timedelta(hours=1)
CHECK_SECONDS = 300

Job = tuple[str, int, Callable[[Store], object]]


def build_ehr_read_jobs(
    settings: Settings, runtime: Runtime, ehr_connections: Sequence[EhrConnection], stop: threading.Event
) -> list[Job]:
    """Returns the jobs that read each destination: name, interval in seconds, job."""
    systems = runtime.clinic.ids.own_systems(runtime.sources)
    jobs: list[Job] = []
    for connection in ehr_connections:
        jobs.append(
            (
                f"notifications of {connection.id}",
                settings.sync_seconds,
                _notifications_job(connection, systems, stop),
            )
        )
        jobs.append(
            (f"pull from {connection.id}", settings.pull_seconds, _pull_job(connection, systems, stop))
        )
        nightly = _reconcile_job(connection, systems, stop, runtime.clinic.zone)
        jobs.append((f"reconcile with {connection.id}", CHECK_SECONDS, nightly))
    return jobs


def is_due(last: Reconciliation | None, now: datetime, zone: ZoneInfo) -> bool:
    """Whether a reconcile is due: once in the clinic's night.

    Also by day if none has begun for `MAX_INTERVAL`. One that broke off is due again after `RETRY_AFTER`, at night.
    """
    local = now.astimezone(zone)
    night = local.replace(hour=NIGHT_START_HOUR, minute=0, second=0, microsecond=0)
    if night > local:
        night -= timedelta(days=1)
    in_the_night = now - night < NIGHT_DURATION
    if last is None:
        return in_the_night
    broke_off = last.completed_at is None and now - last.started_at >= RETRY_AFTER
    tonight = in_the_night and (last.started_at < night or broke_off)
    return tonight or now - last.started_at >= MAX_INTERVAL


def _now() -> datetime:
    return datetime.now(UTC)


def _notifications_job(
    connection: EhrConnection, systems: Sequence[str], stop: threading.Event
) -> Callable[[Store], object]:
    return lambda store: PullWorker(store, connection, systems, _now, stop=stop).follow_notifications()


def _pull_job(
    connection: EhrConnection, systems: Sequence[str], stop: threading.Event
) -> Callable[[Store], object]:
    return lambda store: PullWorker(store, connection, systems, _now, stop=stop).run()


def _reconcile_job(
    connection: EhrConnection, systems: Sequence[str], stop: threading.Event, zone: ZoneInfo
) -> Callable[[Store], object]:
    def run(store: Store) -> None:
        with store.read() as uow:
            last = uow.reconciliation.last_reconciliation(connection.id)
        if not is_due(last, _now(), zone):
            return
        ReconcileWorker(store, connection, systems, _now, stop=stop).run()
        with store.begin_without_publishing() as uow:
            uow.pull_cursors.delete_seen_before(_now() - SEEN_VERSIONS_KEPT_FOR)

    return run
