"""A sync process from its start to its orderly end: a scheduler wakes the work, SIGTERM drains it."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.logs import error_location
from fhir_pmp.schedule.leader import LEASE, RENEWALS, Leader
from fhir_pmp.schedule.sync_jobs import SyncJobs, build_sync_jobs, utc_now
from fhir_pmp.settings import Settings
from fhir_pmp.store.leases import TIMERS

DRAIN_SECONDS = 15.0
"""Seconds after SIGTERM in which what is under way may end by itself; then calls to EHRs are cut off."""
ABORT_SECONDS = 10.0
"""Seconds after that in which what was cut off is put back. Both and the closing stay under 30."""
EXIT_NOT_DRAINED = 75
"""Exit status where a job did not end in time: its lease ends by itself, and nothing is lost."""


def run_sync(settings: Settings, *, lease: timedelta = LEASE, drain_seconds: float = DRAIN_SECONDS) -> int:
    """Works until SIGTERM or SIGINT; what is under way then is finished or put back. The exit status."""
    wait_for_termination = _catch_termination()
    stop = threading.Event()
    jobs = build_sync_jobs(settings, stop)
    leader = Leader(jobs.runtime.store, utc_now, lease)
    scheduler = _scheduler(settings, jobs, leader, lease)
    _log_failures(TIMERS, leader.acquire_or_renew)()
    scheduler.start()
    structlog.get_logger().info("sync started", count=len(jobs.pushes) + len(jobs.timers))
    wait_for_termination()
    stop.set()
    if not _drain(scheduler, jobs, leader, drain_seconds):
        structlog.get_logger().error("sync ended with a job under way")
        os._exit(EXIT_NOT_DRAINED)  # its threads would keep the process for as long as they like
    structlog.get_logger().info("sync ended")
    return 0


def run_once(settings: Settings) -> None:
    """Does everything that is due now, once: letters first, since they are deliveries too. Raises what went wrong.

    It leads for as long as it takes; a sync process that runs beside it leads again afterwards.
    """
    jobs = build_sync_jobs(settings, threading.Event())
    leader = Leader(jobs.runtime.store, utc_now)
    try:
        try:
            for timer in jobs.timers:
                leader.acquire_or_renew(force=True)
                leader.run(timer.job)
        finally:
            leader.release_lease()
        for push in jobs.pushes.values():
            push()
    finally:
        jobs.close()


def _catch_termination() -> Callable[[], object]:
    """What waits for SIGTERM or SIGINT, from now on.

    By a pipe that is written to at once, in whichever thread the signal arrives: a handler in Python would have to wait
    until the main thread, which does nothing but wait itself, comes to it.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    return lambda: os.read(read_end, 1)


def _scheduler(settings: Settings, jobs: SyncJobs, leader: Leader, lease: timedelta) -> BackgroundScheduler:
    # It would log tracebacks, and a traceback can hold a person's words; `_guarded` says where instead.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    max_threads = (
        len(jobs.pushes) + len(jobs.timers) + 1
    )  # no job that takes long keeps the lease from being renewed
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(max_threads)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    scheduler.add_job(
        _log_failures(TIMERS, leader.acquire_or_renew),
        "interval",
        seconds=lease.total_seconds() / RENEWALS,
        id=TIMERS,
    )
    for name, push in jobs.pushes.items():
        _add(scheduler, name, settings.sync_seconds, push)
    for timer in jobs.timers:
        _add(scheduler, timer.name, timer.seconds, _run_as_leader(timer.name, leader, timer.job))
    return scheduler


def _add(scheduler: BackgroundScheduler, name: str, seconds: int, job: Callable[[], object]) -> None:
    scheduler.add_job(_log_failures(name, job), "interval", seconds=seconds, id=name, next_run_time=utc_now())


def _run_as_leader(name: str, leader: Leader, job: Callable[..., object]) -> Callable[[], None]:
    def run() -> None:
        if leader.run(job):
            structlog.get_logger().debug("timer ran", job=name)

    return run


def _drain(scheduler: BackgroundScheduler, jobs: SyncJobs, leader: Leader, drain_seconds: float) -> bool:
    """Ends what is under way; whether all of it ended in time."""
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(drain_seconds)
    if ending.is_alive():
        jobs.abort()
    # What a timer still does ends at its next write: from here on the lead is anybody's.
    _log_failures(TIMERS, leader.release_lease)()
    ending.join(ABORT_SECONDS)
    if ending.is_alive():
        return False
    jobs.close()
    return True


def _log_failures(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """The job, whose failure is logged and tried again at the next tick."""

    def run() -> None:
        try:
            job()
        except FhirPmpError as known:
            structlog.get_logger().warning("job failed", job=name, error=type(known).__name__)
        except Exception as unexpected:  # noqa: BLE001 - the process goes on; the place is logged, never the words
            structlog.get_logger().error(
                "job failed unexpectedly", job=name, place=error_location(unexpected)
            )

    return run
