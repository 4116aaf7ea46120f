"""The sync process: a scheduler wakes push, letters and timekeeping; each of them may run beside another process."""

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push
from fhir_pmp.errors import FhirPmpError
from fhir_pmp.intake.leftovers import take_up_referrals
from fhir_pmp.intake.timekeeping import finish_closed_episodes
from fhir_pmp.letters.drafting import draft_due_letters
from fhir_pmp.letters.press import Press
from fhir_pmp.letters.reviewing import review_signed_letters
from fhir_pmp.logs import place_of
from fhir_pmp.opening import House, open_house
from fhir_pmp.settings import Settings

SELDOM_SECONDS = 300
"""How often time alone is looked at: windows that closed, signed letters whose facts moved."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Work:
    """Everything the sync process does, each part by its name."""

    often: dict[str, Callable[[], object]]
    seldom: dict[str, Callable[[], object]]
    close: Callable[[], None]


def run_sync(settings: Settings) -> None:
    """Works until SIGTERM or SIGINT; what is under way then is finished first."""
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    work = _work(settings, stop)
    # It would log tracebacks, and a traceback can hold a person's words; `_guarded` says where instead.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for jobs, seconds in ((work.often, settings.sync_seconds), (work.seldom, SELDOM_SECONDS)):
        for name, job in jobs.items():
            scheduler.add_job(_guarded(name, job), "interval", seconds=seconds, id=name, next_run_time=_now())
    scheduler.start()
    structlog.get_logger().info("sync started", count=len(work.often))
    stop.wait()
    scheduler.shutdown(wait=True)
    work.close()
    structlog.get_logger().info("sync ended")


def run_once(settings: Settings) -> None:
    """Does everything that is due now, once: letters first, since they are deliveries too. Raises what went wrong."""
    work = _work(settings, threading.Event())
    try:
        for job in (*work.seldom.values(), *work.often.values()):
            job()
    finally:
        work.close()


def _work(settings: Settings, stop: threading.Event) -> Work:
    house = open_house(settings, _now())
    press = Press.open(house.mappings / "letters", house.clinic, house.publisher)
    neighbours = _neighbours(settings, house)
    often: dict[str, Callable[[], object]] = {
        "letters": lambda: _draft_all(house, press),
    }
    for neighbour in neighbours:
        push = Push(house.store, neighbour, _now, stop=stop)
        often[f"push to {neighbour.id}"] = push.run
    seldom: dict[str, Callable[[], object]] = {
        "referrals left": lambda: take_up_referrals(house.store, house.clinic, house.publisher, _now()),
        "timekeeping": lambda: finish_closed_episodes(house.store, house.clinic, house.publisher, _now()),
        "signed letters": lambda: review_signed_letters(house.store, press, _now()),
    }

    def close() -> None:
        press.close()
        for neighbour in neighbours:
            neighbour.client.close()
        house.store.close()

    return Work(often, seldom, close)


def _draft_all(house: House, press: Press) -> None:
    while draft_due_letters(house.store, press, _now()):
        pass


def _neighbours(settings: Settings, house: House) -> list[Neighbour]:
    return [
        Neighbour(destination, EhrClient(settings.destinations[name], connections=settings.connections))
        for name, destination in house.destinations.items()
    ]


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
