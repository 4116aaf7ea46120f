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
from fhir_pmp.logs import place_of
from fhir_pmp.schedule.leading import LEASE, RENEWALS, Leader
from fhir_pmp.schedule.work import Work, find_work, utc_now
from fhir_pmp.settings import Settings
from fhir_pmp.store.leases import TIMERS

FINISHES_WITHIN = 15.0
"""Seconds after SIGTERM in which what is under way may end by itself; then calls to EHRs are cut off."""
PUTS_BACK_WITHIN = 10.0
"""Seconds after that in which what was cut off is put back. Both and the closing stay under 30."""
COULD_NOT_DRAIN = 75
"""Exit status where a job did not end in time: its lease ends by itself, and nothing is lost."""


def run_sync(
    settings: Settings, *, lease: timedelta = LEASE, finishes_within: float = FINISHES_WITHIN
) -> int:
    """Works until SIGTERM or SIGINT; what is under way then is finished or put back. The exit status."""
    told_to_end = _told_to_end()
    stop = threading.Event()
    work = find_work(settings, stop)
    leader = Leader(work.house.store, utc_now, lease)
    scheduler = _scheduler(settings, work, leader, lease)
    _guarded(TIMERS, leader.keep)()
    scheduler.start()
    structlog.get_logger().info("sync started", count=len(work.pushes) + len(work.timers))
    told_to_end()
    stop.set()
    if not _drain(scheduler, work, leader, finishes_within):
        structlog.get_logger().error("sync ended with a job under way")
        os._exit(COULD_NOT_DRAIN)  # its threads would keep the process for as long as they like
    structlog.get_logger().info("sync ended")
    return 0


def run_once(settings: Settings) -> None:
    """Does everything that is due now, once: letters first, since they are deliveries too. Raises what went wrong.

    It leads for as long as it takes; a sync process that runs beside it leads again afterwards.
    """
    work = find_work(settings, threading.Event())
    leader = Leader(work.house.store, utc_now)
    try:
        try:
            for timer in work.timers:
                leader.keep(by_force=True)
                leader.run(timer.job)
        finally:
            leader.give_back()
        for push in work.pushes.values():
            push()
    finally:
        work.close()


def _told_to_end() -> Callable[[], object]:
    """What waits for SIGTERM or SIGINT, from now on.

    By a pipe that is written to at once, in whichever thread the signal arrives: a handler in Python would have to wait
    until the main thread, which does nothing but wait itself, comes to it.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    signal.set_wakeup_fd(tell)
    return lambda: os.read(told, 1)


def _scheduler(settings: Settings, work: Work, leader: Leader, lease: timedelta) -> BackgroundScheduler:
    # It would log tracebacks, and a traceback can hold a person's words; `_guarded` says where instead.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    at_once = (
        len(work.pushes) + len(work.timers) + 1
    )  # no job that takes long keeps the lease from being renewed
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(at_once)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    scheduler.add_job(
        _guarded(TIMERS, leader.keep), "interval", seconds=lease.total_seconds() / RENEWALS, id=TIMERS
    )
    for name, push in work.pushes.items():
        _add(scheduler, name, settings.sync_seconds, push)
    for timer in work.timers:
        _add(scheduler, timer.name, timer.seconds, _led(timer.name, leader, timer.job))
    return scheduler


def _add(scheduler: BackgroundScheduler, name: str, seconds: int, job: Callable[[], object]) -> None:
    scheduler.add_job(_guarded(name, job), "interval", seconds=seconds, id=name, next_run_time=utc_now())


def _led(name: str, leader: Leader, job: Callable[..., object]) -> Callable[[], None]:
    def run() -> None:
        if leader.run(job):
            structlog.get_logger().debug("timer ran", job=name)

    return run


def _drain(scheduler: BackgroundScheduler, work: Work, leader: Leader, finishes_within: float) -> bool:
    """Ends what is under way; whether all of it ended in time."""
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(finishes_within)
    if ending.is_alive():
        work.abort()
    # What a timer still does ends at its next write: from here on the lead is anybody's.
    _guarded(TIMERS, leader.give_back)()
    ending.join(PUTS_BACK_WITHIN)
    if ending.is_alive():
        return False
    work.close()
    return True


def _guarded(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """The job, whose failure is logged and tried again at the next tick."""

    def run() -> None:
        try:
            job()
        except FhirPmpError as known:
            structlog.get_logger().warning("job failed", job=name, error=type(known).__name__)
        except Exception as unexpected:  # noqa: BLE001 - the process goes on; the place is logged, never the words
            structlog.get_logger().error("job failed unexpectedly", job=name, place=place_of(unexpected))

    return run
