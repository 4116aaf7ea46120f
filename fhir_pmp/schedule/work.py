"""Everything a sync process does, each part by its name, and who of several processes does it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir_pmp.ehr.ageing import tell_of_unacknowledged
from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.drift import DriftWatch
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.proving import Prover
from fhir_pmp.ehr.push import Pace, Push
from fhir_pmp.ehr.sign_in import BackendSignIn
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.intake.leftovers import take_up_referrals
from fhir_pmp.intake.timekeeping import finish_closed_episodes
from fhir_pmp.letters.drafting import draft_due_letters
from fhir_pmp.letters.press import Press
from fhir_pmp.letters.reviewing import review_signed_letters
from fhir_pmp.opening import House, open_house
from fhir_pmp.schedule.reading import reading_jobs
from fhir_pmp.settings import Settings
from fhir_pmp.store import Store

SELDOM_SECONDS = 300
"""How often time alone is looked at: windows that closed, signed letters whose facts moved."""


def utc_now() -> datetime:
    """The clock of the process."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timer:
    """What one process alone does, again and again: the leader. It is given a store that writes while it leads."""

    name: str
    seconds: int
    job: Callable[[Store], object]


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do: pushes, which every process takes part in, and timers, which the leader sees to."""

    house: House
    pushes: Mapping[str, Callable[[], object]]
    timers: Sequence[Timer]
    neighbours: Sequence[Neighbour]
    press: Press

    def abort(self) -> None:
        """Ends every call to an EHR that is under way; what may have arrived is looked at by whoever comes next."""
        for neighbour in self.neighbours:
            neighbour.client.abort()

    def close(self) -> None:
        """Closes everything."""
        self.press.close()
        for neighbour in self.neighbours:
            neighbour.client.close()
        self.house.store.close()


def find_work(settings: Settings, stop: threading.Event) -> Work:
    """The work that the settings describe, ended by `stop`. Raises what `open_house` raises."""
    house = open_house(settings, utc_now())
    press = Press.open(house.mappings / "letters", house.clinic, house.publisher)
    neighbours = [
        Neighbour(destination, _client(settings, house, name), Prover(house.store), DriftWatch(utc_now))
        for name, destination in house.destinations.items()
    ]
    pace = Pace(drain_per_second=settings.drain_per_second)
    pushes = {
        f"push to {neighbour.id}": Push(house.store, neighbour, utc_now, pace=pace, stop=stop).run
        for neighbour in neighbours
    }
    timers = _timers(settings, house, press, neighbours, stop)
    return Work(house, pushes, timers, neighbours, press)


def _client(settings: Settings, house: House, name: DestinationId) -> EhrClient:
    base, sign_in = settings.destinations[name], house.destinations[name].sign_in
    tokens = None
    if sign_in is not None:
        tokens = BackendSignIn(base, sign_in, house.signing_keys[name], utc_now)
    return EhrClient(base, connections=settings.connections, tokens=tokens)


def _timers(
    settings: Settings, house: House, press: Press, neighbours: Sequence[Neighbour], stop: threading.Event
) -> list[Timer]:
    clinic, publisher = house.clinic, house.publisher

    def draft(store: Store) -> None:
        while not stop.is_set() and draft_due_letters(store, press, utc_now()):
            pass

    return [
        Timer(
            "referrals left",
            SELDOM_SECONDS,
            lambda store: take_up_referrals(store, clinic, publisher, utc_now()),
        ),
        Timer(
            "timekeeping",
            SELDOM_SECONDS,
            lambda store: finish_closed_episodes(store, clinic, publisher, utc_now()),
        ),
        Timer("signed letters", SELDOM_SECONDS, lambda store: review_signed_letters(store, press, utc_now())),
        Timer("letters", settings.sync_seconds, draft),
        Timer(
            "unacknowledged deliveries",
            SELDOM_SECONDS,
            lambda store: tell_of_unacknowledged(
                store,
                list(house.destinations),
                older_than=timedelta(days=settings.unacknowledged_days),
                now=utc_now(),
            ),
        ),
        *(Timer(*job) for job in reading_jobs(settings, house, neighbours, stop)),
    ]
