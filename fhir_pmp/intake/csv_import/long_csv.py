"""Reads a long export, one row per answer, as responses.

The rows of one response are consecutive.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import InstrumentId, LinkId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.intake.arrivals import ArrivedResponse
from fhir_pmp.intake.csv_import.cells import read_moment
from fhir_pmp.intake.csv_import.csv_rows import REASON_COLUMN, CsvRows, Row
from fhir_pmp.intake.csv_import.seen_ids import SeenIds
from fhir_pmp.intake.csv_import.sources import Precision, Source
from fhir_pmp.pathway.facts import Moment

_RESPONSE_COLUMNS = ("enrolment", "timepoint", "instrument", "answered_at", "amends")
_REQUIRED_COLUMNS = ("enrolment", "response", "timepoint", "instrument", "answered_at", "item", "value")


@dataclass(slots=True)
class ResponseRows:
    """The rows of one response with the response read from them and their faults."""

    rows: list[Row]
    response: ArrivedResponse | None = None
    faults: list[tuple[Row, Fault]] = field(default_factory=list)
    rows_by_item: dict[str, Row] = field(default_factory=dict)


class LongReader:
    """Reads a long file, one response at a time. Raises FileNotReadable with the missing columns."""

    def __init__(self, rows: CsvRows, source: Source, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self.rows = rows
        self._source = source
        self._instruments = instruments
        known = {*source.columns.values(), *source.ignored, REASON_COLUMN}
        rows.check_header(known, [source.columns[word] for word in _REQUIRED_COLUMNS])
        index = {name: at for at, name in enumerate(rows.header)}
        self._at = {word: index[column] for word, column in source.columns.items() if column in index}
        self._texts = {
            instrument.id: {item.link_id: {str(v): v for v in item.offered} for item in instrument.items}
            for instrument in instruments.values()
        }
        self._max_rows = 1 + max(len(instrument.items) for instrument in instruments.values())

    def __iter__(self) -> Iterator[ResponseRows]:
        seen = SeenIds()
        try:
            for group in self._groups():
                yield self._read_group(group, seen)
        finally:
            seen.close()

    def column_of(self, name: str, instrument: InstrumentId | None = None) -> str:
        """The column of a fault's field; faults of an item are in the value column."""
        if name == "authored":
            return self._source.columns["answered_at"]
        if instrument is not None and name.startswith(instrument + "-"):
            return f"{self._source.columns['value']} of {name}"
        return self._source.columns.get(name, name)

    def _groups(self) -> Iterator[list[Row]]:
        """Groups consecutive rows by response id; a row with an unreadable id joins the rows beside it.

        Groups are limited, so that they fit into memory: a response with more rows than items is refused.
        """
        group: list[Row] = []
        unread: list[Row] = []
        for row in self.rows:
            name = self._cell(row, "response")
            if group and name is None and len(unread) < self._max_rows:
                unread.append(row)
            elif group and name == self._cell(group[0], "response") and len(group) < self._max_rows:
                group += [*unread, row]
                unread = []
            else:
                yield from _split(group, unread)
                group, unread = [row], []
        yield from _split(group, unread)

    def _cell(self, row: Row, word: str) -> str | None:
        """The cell under that column, empty if the file has no such column; None where the row has no such cell."""
        at = self._at.get(word)
        if at is None:
            return ""
        return row.cells[at] if at < len(row.cells) else None

    def _heading(self, row: Row) -> list[str]:
        return [self._cell(row, word) or "" for word in _RESPONSE_COLUMNS]

    def _read_group(self, rows: list[Row], seen: SeenIds) -> ResponseRows:
        response_rows = ResponseRows(rows)
        column, name = self._source.columns["response"], self._cell(rows[0], "response")
        is_repeated = bool(name) and not seen.add(name or "")
        if row_faults := [(row, row.fault) for row in rows if row.fault is not None]:
            response_rows.faults += row_faults
        elif not name:
            response_rows.faults += [(row, Fault(column, "is empty and must not be")) for row in rows]
        elif is_repeated:
            what = "resumes a response whose rows stood earlier; the rows of a response stand together"
            response_rows.faults += [(row, Fault(column, what)) for row in rows]
        else:
            self._read_response(response_rows, name)
        return response_rows

    def _read_response(self, response_rows: ResponseRows, name: str) -> None:
        heading = self._heading(response_rows.rows[0])
        answers: dict[str, object] = {}
        for row in response_rows.rows:
            if self._heading(row) != heading:
                what = "differs from the first row of this response outside item and value"
                response_rows.faults.append((row, Fault("", what)))
            self._add_answer(row, InstrumentId(heading[2]), answers, response_rows)
        moment, timepoint = read_moment(heading[3]), self._source.timepoints.get(heading[1])
        self._check_heading(response_rows, heading, moment, timepoint)
        if not response_rows.faults and moment is not None and timepoint is not None:
            response_rows.response = ArrivedResponse(
                source=self._source.id,
                enrolments_of=self._source.enrolments_of,
                enrolment=heading[0],
                response_id=name,
                instrument=InstrumentId(heading[2]),
                timepoint=timepoint,
                authored=moment,
                amends=heading[4] == self._source.amends_when,
                answers=answers,
            )

    def _check_heading(
        self, response_rows: ResponseRows, heading: list[str], moment: Moment | None, timepoint: object
    ) -> None:
        columns, first = self._source.columns, response_rows.rows[0]
        if not heading[0]:
            response_rows.faults.append((first, Fault(columns["enrolment"], "is empty and must not be")))
        if timepoint is None:
            response_rows.faults.append(
                (first, Fault(columns["timepoint"], "is no timepoint of this source"))
            )
        if heading[2] not in self._instruments:
            response_rows.faults.append((first, Fault(columns["instrument"], "is no instrument we know")))
        if moment is None or (self._source.precision is Precision.SECOND and moment.at is None):
            what = "is not a date and time with seconds and offset, such as 2026-03-01T10:11:12+11:00"
            response_rows.faults.append((first, Fault(columns["answered_at"], what)))
        if heading[4] not in ("", self._source.amends_when):
            response_rows.faults.append((first, Fault(columns["amends"], "says neither yes nor nothing")))

    def _add_answer(
        self, row: Row, instrument: InstrumentId, answers: dict[str, object], response_rows: ResponseRows
    ) -> None:
        column, item = self._source.columns["item"], self._cell(row, "item") or ""
        texts = self._texts.get(instrument)
        if texts is None:
            return  # the instrument itself is refused
        if item not in texts:
            response_rows.faults.append((row, Fault(column, "is no item of this instrument")))
        elif item in response_rows.rows_by_item:
            response_rows.faults.append((row, Fault(column, "stands twice in one response")))
        else:
            response_rows.rows_by_item[item] = row
            if text := self._cell(row, "value"):
                answers[item] = texts[LinkId(item)].get(text, text)


def _split(group: list[Row], unread: list[Row]) -> Iterator[list[Row]]:
    if group:
        yield group
    for row in unread:
        yield [row]
