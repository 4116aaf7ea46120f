"""Imports a CSV file of any size in batches.

Refused rows are written to a file, to be corrected and imported again.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedResponse, RecordingResult, RecordingStatus
from fhir_pmp.intake.csv_import.csv_rows import REASON_COLUMN, CsvRows, FileBroken, Row
from fhir_pmp.intake.csv_import.long_csv import LongReader
from fhir_pmp.intake.csv_import.sources import Shape, Source
from fhir_pmp.intake.csv_import.wide_csv import WideReader
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store

BATCH_SIZE = 200
"""Responses in one transaction, at least: the write lock stays well under a quarter of a second."""


ColumnFinder = Callable[[str, InstrumentId | None], str]


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """The reason why a row, or one cell of it, was refused.

    Lines count from 1, the header's.
    """

    line: int
    column: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """The counts of one import, for responses and enrolments separately."""

    responses: dict[RecordingStatus, int] = field(default_factory=lambda: dict.fromkeys(RecordingStatus, 0))
    enrolments: dict[RecordingStatus, int] = field(default_factory=lambda: dict.fromkeys(RecordingStatus, 0))
    refused_rows: int = 0


@dataclass(frozen=True, slots=True)
class _ImportUnit:
    """The enrolment and responses read from one wide row, or from the rows of one long response."""

    rows: tuple[Row, ...]
    enrolment: ArrivedEnrolment | None
    responses: tuple[ArrivedResponse, ...]
    faults: tuple[tuple[Row, Fault], ...]
    refused: int  # responses refused while reading, before they reach recording
    rows_by_item: Mapping[str, Row]  # where an item has a row of its own


@dataclass(frozen=True, slots=True)
class FileImport:
    """Imports one file; calls `on_refusal` for each refusal and `on_progress` with the bytes read."""

    store: Store
    context: PublishingContext
    source: Source
    clock: Callable[[], datetime]
    on_refusal: Callable[[RowRefusal], None]
    on_progress: Callable[[int], None]

    def run(self, file: BinaryIO, refused_path: Path) -> ImportReport:
        """Imports the file and writes refused rows to `refused_path`.

        That file exists only if a row was refused. Safe to repeat, also after a killed run: recorded rows
        count as REPEATED. Raises FileNotReadable (nothing is recorded), FileBroken (the rows before the line
        are recorded), StoreBusy.
        """
        rows = CsvRows(file)
        units, column_of = _open_reader(rows, self.source, self.context.clinic)
        report = ImportReport()
        with _RefusedRowsFile(refused_path, rows.header) as refused:
            for batch in _batches(units):
                self._record_batch(batch, column_of, refused, report)
                self.on_progress(file.tell())
        rows.detach()
        return report

    def _record_batch(
        self,
        batch: list[_ImportUnit],
        column_of: ColumnFinder,
        refused: "_RefusedRowsFile",
        report: ImportReport,
    ) -> None:
        enrolments = [unit.enrolment for unit in batch if unit.enrolment is not None]
        responses = [response for unit in batch for response in unit.responses]
        now = self.clock()
        with self.store.begin() as uow:
            enrolment_results = iter(record_enrolments(uow, self.context, enrolments, now))
            response_results = iter(record_responses(uow, self.context, responses, now))
        for unit in batch:
            results = [next(enrolment_results)] if unit.enrolment is not None else []
            response_pairs = [(response, next(response_results)) for response in unit.responses]
            _count(report.enrolments, results)
            _count(report.responses, (result for _, result in response_pairs))
            report.responses[RecordingStatus.REFUSED] += unit.refused
            first = unit.rows[0]
            faults = [(row, Fault(column_of(f.field, None), f.what)) for row, f in unit.faults]
            faults += [(first, Fault(column_of(f.field, None), f.what)) for r in results for f in r.faults]
            faults += [
                (
                    unit.rows_by_item.get(f.field, first),
                    Fault(column_of(f.field, response.instrument), f.what),
                )
                for response, result in response_pairs
                for f in result.faults
            ]
            self._refuse(unit, faults, refused, report)

    def _refuse(
        self,
        unit: _ImportUnit,
        faults: list[tuple[Row, Fault]],
        refused: "_RefusedRowsFile",
        report: ImportReport,
    ) -> None:
        if not faults:
            return
        for row, fault in faults:
            self.on_refusal(RowRefusal(row.line, fault.field, fault.what))
        for row in unit.rows:
            report.refused_rows += 1
            row_faults = [str(fault) for at, fault in faults if at is row]
            refused.write(row, "; ".join(row_faults) or "another row of this response was refused")


def _open_reader(
    rows: CsvRows, source: Source, clinic: ClinicalContext
) -> tuple[Iterator[_ImportUnit], ColumnFinder]:
    if source.shape is Shape.WIDE:
        wide = WideReader(rows, source, clinic.instruments)
        return (
            _ImportUnit(
                rows=(one.row,),
                enrolment=one.enrolment,
                responses=one.responses,
                faults=tuple((one.row, f) for f in one.faults),
                refused=one.refused,
                rows_by_item={},
            )
            for one in wide
        ), wide.column_of
    long = LongReader(rows, source, clinic.instruments)
    return (
        _ImportUnit(
            rows=tuple(one.rows),
            enrolment=None,
            responses=(one.response,) if one.response else (),
            faults=tuple(one.faults),
            refused=0 if one.response else 1,
            rows_by_item=one.rows_by_item,
        )
        for one in long
    ), long.column_of


def _batches(units: Iterator[_ImportUnit]) -> Iterator[list[_ImportUnit]]:
    batch: list[_ImportUnit] = []
    size = 0
    try:
        for unit in units:
            batch.append(unit)
            # A row without responses counts too: otherwise a file of refusals would be held in memory.
            size += max(1, len(unit.responses))
            if size >= BATCH_SIZE:
                yield batch
                batch, size = [], 0
    except FileBroken:
        if batch:
            yield batch  # the rows before the broken line are recorded
        raise
    if batch:
        yield batch


def _count(counts: dict[RecordingStatus, int], results: Iterable[RecordingResult]) -> None:
    for result in results:
        counts[result.status] += 1


class _RefusedRowsFile:
    """Writes the refused rows to a file that can be corrected and imported; removes it if empty."""

    def __init__(self, path: Path, header: list[str]) -> None:
        self._path = path
        self._header = [name for name in header if name != REASON_COLUMN]
        self._kept_columns = [at for at, name in enumerate(header) if name != REASON_COLUMN]
        self._dropped_count = len(header) - len(self._kept_columns)
        self._file: TextIO | None = None

    def __enter__(self) -> "_RefusedRowsFile":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: Row, reason: str) -> None:
        """Writes the row as it came, with the reason in the last column."""
        if self._file is None:
            # Only the owner may read it: it holds people's answers.
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
            csv.writer(self._file).writerow([*self._header, REASON_COLUMN])
        # A row with too few or too many cells is written unchanged, so importing it again refuses it again.
        kept = [row.cells[at] for at in self._kept_columns if at < len(row.cells)]
        cells = [*kept, *row.cells[len(self._kept_columns) + self._dropped_count :]]
        csv.writer(self._file).writerow([*cells, reason])
