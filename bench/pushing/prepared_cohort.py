"""Prepares an imported, unsent cohort and captures the Bundles that a push sends."""

import shutil
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path

from bench.importing.import_run import run_import
from bench.service import DESTINATION, MAPPINGS, SEED, TODAY, clock, load_bench_clinic
from demo.people import cohort, write_wide_csv
from fhir_pmp.ehr.config.destinations import Destination, WriteStrategy, load_destinations
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.worker import PushWorker
from fhir_pmp.ehr.transport.client import Answer, EhrClient
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import DeliveryState
from tests.stub_ehr.process import stub_ehr

_FINAL_STATES = (DeliveryState.SENT, DeliveryState.SUPERSEDED)


@dataclass
class Bundles:
    """The Bundles that a push posted: the definitions, which go first, and those of people."""

    definitions: list[bytes] = field(default_factory=list)
    of_people: list[bytes] = field(default_factory=list)


def destination() -> Destination:
    """Returns the shipped HAPI destination with the write strategy that verification finds there.

    The strategy is fixed so that only the sending is measured.
    """
    return replace(load_destinations(MAPPINGS / "destinations")[DESTINATION], strategy=WriteStrategy.OUR_ID)


def prepare_database(folder: Path, name: str, people: int, seed: int = SEED, today: date = TODAY) -> Path:
    """Imports `people` people into a new database and sends nothing. Another `name` gives other ids."""
    folder.mkdir(parents=True, exist_ok=True)
    export, database = folder / f"{name}.csv", folder / f"{name}.sqlite"
    with export.open("w", encoding="utf-8", newline="") as opened:
        write_wide_csv(islice(cohort(people, seed=seed, today=today), people), opened)
    run_import(export, database, lambda: None, load_bench_clinic(name))
    return database


def copy_database(database: Path, copy: Path) -> Path:
    """Copies the database, because a push records in it what was sent."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for old in copy.parent.glob(f"{copy.name}*"):
        old.unlink()
    shutil.copy(database, copy)
    return copy


def capture_bundles(database: Path) -> Bundles:
    """Pushes the database to the tests' stub EHR and returns the posted Bundles."""
    with stub_ehr() as stub:
        client = _RecordingClient(stub.address, connections=1)
        store = Store(f"sqlite:///{copy_database(database, database.with_suffix('.sent.sqlite'))}")
        PushWorker(store, EhrConnection(destination(), client), clock).run()
        assert not count_unsent(store), "the stub did not accept everything"
        store.close()
        client.close()
    return client.posted


def count_unsent(store: Store) -> int:
    """Returns the number of deliveries that are neither sent nor superseded."""
    with store.read() as uow:
        counts = uow.deliveries.counts(DESTINATION)[DESTINATION]
    return sum(count for state, count in counts.items() if state not in _FINAL_STATES)


class _RecordingClient(EhrClient):
    """The client of the push that also records the Bundles it posts."""

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
        """Sends the request and records a Bundle: a POST to the base URL.

        The definitions are sent by the main thread, before any other thread starts.
        """
        if method == "POST" and not path and body is not None:
            is_first = threading.current_thread() is threading.main_thread()
            (self.posted.definitions if is_first else self.posted.of_people).append(body)
        return super().ask(method, path, body, headers)
