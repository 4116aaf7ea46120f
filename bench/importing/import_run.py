"""Runs one import in its own process and prints JSON.

`python -m bench.importing.import_run EXPORT DATABASE [MARKS]`
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from bench.importing.transaction_rows import last_rows
from bench.service import MAPPINGS, clock, load_bench_clinic, open_store
from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.csv_import.file_import import FileImport, ImportReport, RowRefusal
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publishing_context import PublishingContext


def run_import(
    export: Path, database: Path, after_each: Callable[[], None], clinic: ClinicalContext
) -> tuple[ImportReport, float, float]:
    """Imports into a new database; returns the report, seconds and processor seconds."""
    store, publisher = open_store(database, clinic)
    after_each()
    source = load_sources(MAPPINGS / "sources", clinic.programme)[SourceId("redcap-wide")]
    running = FileImport(
        store,
        PublishingContext(clinic, publisher),
        source,
        clock,
        _raise_on_refusal_row,
        lambda _: after_each(),
    )
    with export.open("rb") as opened:
        began, cpu_seconds = time.perf_counter(), time.process_time()
        report = running.run(opened, database.with_suffix(".refused.csv"))
        taken = time.perf_counter() - began, time.process_time() - cpu_seconds
    store.close()
    return report, *taken


def measure_lock_times() -> list[float]:
    """Measures how long each later transaction holds the write lock; returns a list that grows.

    Seconds from BEGIN IMMEDIATE until after COMMIT.
    """
    held: list[float] = []
    since: list[float] = []
    # The import reads within its write transactions, so every transaction holds the lock.
    sa.event.listen(sa.Engine, "begin", lambda _: since.append(time.perf_counter()))

    def on_checkin(*_: object) -> None:
        if since:
            held.append(time.perf_counter() - since.pop())

    sa.event.listen(sa.pool.Pool, "checkin", on_checkin)
    return held


def peak_kib() -> int:
    """Returns the peak memory of this process (VmHWM), in KiB."""
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0])


def _raise_on_refusal_row(refusal: RowRefusal) -> None:
    raise AssertionError(f"line {refusal.line}, {refusal.column}: {refusal.reason}")


def main() -> None:
    """Imports and prints the result; with MARKS it also writes where each transaction ended."""
    export, database, *marks = (Path(argument) for argument in sys.argv[1:])
    ends: list[dict[str, int]] = []

    def note() -> None:
        if marks:
            with sqlite3.connect(database) as connection:
                ends.append(last_rows(connection))

    held = measure_lock_times()
    report, seconds, cpu_seconds = run_import(export, database, note, load_bench_clinic())
    if marks:
        marks[0].write_text(json.dumps(ends))
    accepted = report.responses[RecordingStatus.ACCEPTED]
    took = {"responses": accepted, "seconds": seconds, "worked": cpu_seconds, "peak_kib": peak_kib()}
    print(json.dumps({**took, "longest_lock": max(held), "locks": len(held)}))


if __name__ == "__main__":
    main()
