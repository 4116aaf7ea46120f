"""Runs a sync process: schedules its jobs, and drains them on SIGTERM."""

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
"""Seconds after SIGTERM in which running jobs may end; then calls to EHRs are cut off."""
ABORT_SECONDS = 10.0
"""Seconds after that in which deliveries cut off are put back. Together under 30 seconds."""
EXIT_NOT_DRAINED = 75
"""Exit status if a job did not end in time: its lease expires, and nothing is lost."""


def run_sync(settings: Settings, *, lease: timedelta = LEASE, drain_seconds: float = DRAIN_SECONDS) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status.

    At the signal it finishes running work or puts it back.
    """
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
        os._exit(EXIT_NOT_DRAINED)  # its threads would keep the process running
    structlog.get_logger().info("sync ended")
    return 0


def run_once(settings: Settings) -> None:
    """Runs every due job once: letters first, since they add deliveries. Raises the first error.

    It takes the lease for that time; another sync process leads again afterwards.
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
    """Returns a function that waits for SIGTERM or SIGINT.

    Uses a pipe that is written at once in any thread: a Python signal handler would run only when the main
    thread, which is itself waiting, continues.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    return lambda: os.read(read_end, 1)


def _scheduler(settings: Settings, jobs: SyncJobs, leader: Leader, lease: timedelta) -> BackgroundScheduler:
    # The scheduler would log tracebacks, which can quote personal data; `_log_failures` logs the place instead.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    # One thread more than jobs, so that a long job does not delay the renewal of the lease.
    max_threads = len(jobs.pushes) + len(jobs.timers) + 1
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
    """Ends the running jobs; True if all ended in time."""
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(drain_seconds)
    if ending.is_alive():
        jobs.abort()
    # A timer that still runs fails at its next write: any process may lead from here on.
    _log_failures(TIMERS, leader.release_lease)()
    ending.join(ABORT_SECONDS)
    if ending.is_alive():
        return False
    jobs.close()
    return True


def _log_failures(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """Wraps a job: an error is logged, and the job runs again at its next time."""

    def run() -> None:
        try:
            job()
        except FhirPmpError as known:
            structlog.get_logger().warning("job failed", job=name, error=type(known).__name__)
        except Exception as unexpected:  # noqa: BLE001 - the process goes on; the place is logged, never the message
            structlog.get_logger().error(
                "job failed unexpectedly", job=name, place=error_location(unexpected)
            )

    return run
