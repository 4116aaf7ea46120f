"""A cohort taken in and waiting to be sent, and the Bundles in which a push sends it."""

import shutil
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path

from bench.house import DESTINATION, MAPPINGS, SEED, TODAY, clinic_of, clock
from bench.importing.take_in import take_in
from demo.people import cohort, write_wide_csv
from fhir_pmp.ehr.client import Answer, EhrClient
from fhir_pmp.ehr.destinations import Destination, WriteStrategy, load_destinations
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.push import Push
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import DeliveryState
from tests.stub_ehr.process import stub_ehr

_DONE_WITH = (DeliveryState.SENT, DeliveryState.SUPERSEDED)


@dataclass
class Bundles:
    """The bodies that a push posted: those of the definitions' lane, which go first, and those of people."""

    definitions: list[bytes] = field(default_factory=list)
    of_people: list[bytes] = field(default_factory=list)


def destination() -> Destination:
    """HAPI, as it is shipped, with the way of writing that a proof finds there: what is measured is the sending."""
    return replace(load_destinations(MAPPINGS / "destinations")[DESTINATION], strategy=WriteStrategy.OUR_ID)


def prepare(folder: Path, name: str, people: int, seed: int = SEED, today: date = TODAY) -> Path:
    """A database in which that many people are taken in and nothing is sent yet. Another name gives other ids."""
    folder.mkdir(parents=True, exist_ok=True)
    export, database = folder / f"{name}.csv", folder / f"{name}.sqlite"
    with export.open("w", encoding="utf-8", newline="") as opened:
        write_wide_csv(islice(cohort(people, seed=seed, today=today), people), opened)
    take_in(export, database, lambda: None, clinic_of(name))
    return database


def copy_of(database: Path, copy: Path) -> Path:
    """A copy to push from: what was sent is noted in it."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for old in copy.parent.glob(f"{copy.name}*"):
        old.unlink()
    shutil.copy(database, copy)
    return copy


def bundles_of(database: Path) -> Bundles:
    """The Bundles in which a push sends this database, taken down on their way to the stub EHR of the tests."""
    with stub_ehr() as stub:
        client = _TakesDown(stub.address, connections=1)
        store = Store(f"sqlite:///{copy_of(database, database.with_suffix('.sent.sqlite'))}")
        Push(store, Neighbour(destination(), client), clock).run()
        assert not unsent(store), "the stub did not take everything"
        store.close()
        client.close()
    return client.posted


def unsent(store: Store) -> int:
    """How many deliveries are neither sent nor overtaken by a newer version."""
    with store.read() as books:
        counts = books.deliveries.counts(DESTINATION)[DESTINATION]
    return sum(count for state, count in counts.items() if state not in _DONE_WITH)


class _TakesDown(EhrClient):
    """The push's own client, which also keeps what it posts."""

    def __init__(self, base: str, *, connections: int) -> None:
        super().__init__(base, connections=connections)
        self.posted = Bundles()

    def ask(
        self,
        method: str,
        path: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """As ever; a POST to the base is a Bundle. The definitions' lane is sent before any thread is started."""
        if method == "POST" and not path and body is not None:
            is_first = threading.current_thread() is threading.main_thread()
            (self.posted.definitions if is_first else self.posted.of_people).append(body)
        return super().ask(method, path, body, headers)
