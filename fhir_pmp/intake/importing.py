"""A file of any size is handed in: understood row by row, recorded in batches, its refusals kept for correction."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from fhir_pmp.errors import Fault
from fhir_pmp.fhir.renderers import prepare_rendering
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedResponse, Fate, Receipt
from fhir_pmp.intake.csv_rows import REASON_COLUMN, CsvRows, FileBroken, Row
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.long_csv import LongReader
from fhir_pmp.intake.responses import record_responses
from fhir_pmp.intake.sources import Shape, Source
from fhir_pmp.intake.wide_csv import WideReader
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store

BATCH = 200
"""Responses in one transaction, at least: the write lock stays well under a quarter of a second."""


ColumnOf = Callable[[str, InstrumentId | None], str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row, or one cell of it, was refused. Lines count from 1, the header's."""

    line: int
    column: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What became of a file. Responses and enrolments are counted apart."""

    responses: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    enrolments: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    refused_rows: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    """What the rows of one row, or of one response, say together."""

    rows: tuple[Row, ...]
    enrolment: ArrivedEnrolment | None
    responses: tuple[ArrivedResponse, ...]
    faults: tuple[tuple[Row, Fault], ...]
    refused: int  # responses that are refused before anybody asks what they say
    rows_by_item: Mapping[str, Row]  # where an item has a row of its own


@dataclass(frozen=True, slots=True)
class Import:
    """One import: what it works with, and who is told of each refusal and of the progress in bytes."""

    store: Store
    clinic: Clinic
    publisher: Publisher
    source: Source
    clock: Callable[[], datetime]
    tell: Callable[[Refusal], None]
    progress: Callable[[int], None]

    def run(self, file: BinaryIO, refused_path: Path) -> ImportReport:
        """Takes the file in. The refused rows stand in `refused_path` afterwards, or it is not there.

        Safe to run twice, or to kill and run again: what was taken is REPEATED. Raises FileNotReadable (nothing was
        taken), FileBroken (what stood before the line was taken), StoreBusy.
        """
        rows = CsvRows(file)
        units, column_of = _reader(rows, self.source, self.clinic)
        report = ImportReport()
        prepare_rendering(self.clinic)
        with _RefusedRows(refused_path, rows.header) as refused:
            for batch in _batches(units):
                self._take(batch, column_of, refused, report)
                self.progress(file.tell())
        rows.let_go()
        return report

    def _take(
        self,
        batch: list[_Unit],
        column_of: ColumnOf,
        refused: "_RefusedRows",
        report: ImportReport,
    ) -> None:
        enrolments = [unit.enrolment for unit in batch if unit.enrolment is not None]
        responses = [response for unit in batch for response in unit.responses]
        now = self.clock()
        with self.store.begin() as books:
            told = iter(record_enrolments(books, self.clinic, self.publisher, enrolments, now))
            said = iter(record_responses(books, self.clinic, self.publisher, responses, now))
        for unit in batch:
            receipts = [next(told)] if unit.enrolment is not None else []
            answered = [(response, next(said)) for response in unit.responses]
            _count(report.enrolments, receipts)
            _count(report.responses, (receipt for _, receipt in answered))
            report.responses[Fate.REFUSED] += unit.refused
            first = unit.rows[0]
            faults = [(row, Fault(column_of(f.field, None), f.what)) for row, f in unit.faults]
            faults += [(first, Fault(column_of(f.field, None), f.what)) for r in receipts for f in r.faults]
            faults += [
                (
                    unit.rows_by_item.get(f.field, first),
                    Fault(column_of(f.field, response.instrument), f.what),
                )
                for response, receipt in answered
                for f in receipt.faults
            ]
            self._refuse(unit, faults, refused, report)

    def _refuse(
        self, unit: _Unit, faults: list[tuple[Row, Fault]], refused: "_RefusedRows", report: ImportReport
    ) -> None:
        if not faults:
            return
        for row, fault in faults:
            self.tell(Refusal(row.line, fault.field, fault.what))
        for row in unit.rows:
            report.refused_rows += 1
            own = [str(fault) for at, fault in faults if at is row]
            refused.write(row, "; ".join(own) or "another row of this response was refused")


def _reader(rows: CsvRows, source: Source, clinic: Clinic) -> tuple[Iterator[_Unit], ColumnOf]:
    if source.shape is Shape.WIDE:
        wide = WideReader(rows, source, clinic.instruments)
        return (
            _Unit(
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
        _Unit(
            rows=tuple(one.rows),
            enrolment=None,
            responses=(one.response,) if one.response else (),
            faults=tuple(one.faults),
            refused=0 if one.response else 1,
            rows_by_item=one.rows_by_item,
        )
        for one in long
    ), long.column_of


def _batches(units: Iterator[_Unit]) -> Iterator[list[_Unit]]:
    batch: list[_Unit] = []
    size = 0
    try:
        for unit in units:
            batch.append(unit)
            # A row without responses still costs something: a file of refusals is not held in memory whole.
            size += max(1, len(unit.responses))
            if size >= BATCH:
                yield batch
                batch, size = [], 0
    except FileBroken:
        if batch:
            yield batch  # what stood before the broken line is taken
        raise
    if batch:
        yield batch


def _count(counts: dict[Fate, int], receipts: Iterable[Receipt]) -> None:
    for receipt in receipts:
        counts[receipt.fate] += 1


class _RefusedRows:
    """The refused rows as a file that can be corrected and given again; gone if there are none."""

    def __init__(self, path: Path, header: list[str]) -> None:
        self._path = path
        self._header = [name for name in header if name != REASON_COLUMN]
        self._keep = [at for at, name in enumerate(header) if name != REASON_COLUMN]
        self._dropped = len(header) - len(self._keep)
        self._file: TextIO | None = None

    def __enter__(self) -> "_RefusedRows":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: Row, reason: str) -> None:
        """Keeps the row as it came, with the reason behind it."""
        if self._file is None:
            # Only the owner may read it: it holds people's answers.
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
            csv.writer(self._file).writerow([*self._header, REASON_COLUMN])
        # A row with too few or too many cells keeps exactly those: given again as it is, it is refused again.
        kept = [row.cells[at] for at in self._keep if at < len(row.cells)]
        cells = [*kept, *row.cells[len(self._keep) + self._dropped :]]
        csv.writer(self._file).writerow([*cells, reason])
