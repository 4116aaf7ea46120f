"""When EHRs are read: hints at once, what changed every minute, and everything against our books once a night."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.pull import REMEMBERS, Pull
from fhir_pmp.ehr.reconcile import Reconcile
from fhir_pmp.opening import House
from fhir_pmp.settings import Settings
from fhir_pmp.store import Store
from fhir_pmp.store.standing_book import Reconcile as LastReconcile

NIGHT_BEGINS = 2
NIGHT_LASTS = timedelta(hours=4)
LONGEST_WITHOUT = timedelta(hours=36)
"""A process that is stopped every night compares by day."""
AGAIN_AFTER = timedelta(hours=1)
LOOKS_SECONDS = 300

Job = tuple[str, int, Callable[[Store], object]]


def reading_jobs(
    settings: Settings, house: House, neighbours: Sequence[Neighbour], stop: threading.Event
) -> list[Job]:
    """What reads each destination: its name, how often in seconds, and the job."""
    systems = house.clinic.own_systems(house.sources)
    jobs: list[Job] = []
    for neighbour in neighbours:
        jobs.append((f"hints of {neighbour.id}", settings.sync_seconds, _hints(neighbour, systems, stop)))
        jobs.append((f"pull from {neighbour.id}", settings.pull_seconds, _pull(neighbour, systems, stop)))
        nightly = _reconcile(neighbour, systems, stop, house.clinic.zone)
        jobs.append((f"reconcile with {neighbour.id}", LOOKS_SECONDS, nightly))
    return jobs


def is_due(last: LastReconcile | None, now: datetime, zone: ZoneInfo) -> bool:
    """Whether both sides are compared now: once in the clinic's night, or by day where that was missed for long."""
    local = now.astimezone(zone)
    night = local.replace(hour=NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    if night > local:
        night -= timedelta(days=1)
    in_the_night = now - night < NIGHT_LASTS
    if last is None:
        return in_the_night
    broke_off = last.completed_at is None and now - last.started_at >= AGAIN_AFTER
    tonight = in_the_night and (last.started_at < night or broke_off)
    return tonight or now - last.started_at >= LONGEST_WITHOUT


def _now() -> datetime:
    return datetime.now(UTC)


def _hints(neighbour: Neighbour, systems: Sequence[str], stop: threading.Event) -> Callable[[Store], object]:
    return lambda store: Pull(store, neighbour, systems, _now, stop=stop).follow_hints()


def _pull(neighbour: Neighbour, systems: Sequence[str], stop: threading.Event) -> Callable[[Store], object]:
    return lambda store: Pull(store, neighbour, systems, _now, stop=stop).run()


def _reconcile(
    neighbour: Neighbour, systems: Sequence[str], stop: threading.Event, zone: ZoneInfo
) -> Callable[[Store], object]:
    def run(store: Store) -> None:
        with store.read() as books:
            last = books.standing.last_reconcile(neighbour.id)
        if not is_due(last, _now(), zone):
            return
        Reconcile(store, neighbour, systems, _now, stop=stop).run()
        with store.begin_beside() as books:
            books.pulling.forget_before(_now() - REMEMBERS)

    return run
