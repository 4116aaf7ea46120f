"""A row per answer becomes responses; the rows of one response stand together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import InstrumentId, LinkId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.intake.arrivals import ArrivedResponse
from fhir_pmp.intake.cells import read_moment
from fhir_pmp.intake.csv_rows import REASON_COLUMN, CsvRows, FileNotReadable, Row
from fhir_pmp.intake.seen_ids import SeenIds
from fhir_pmp.intake.sources import Precision, Source
from fhir_pmp.pathway.facts import Moment

_NEEDED = ("enrolment", "response", "timepoint", "instrument", "answered_at", "item", "value")


@dataclass(slots=True)
class Gathered:
    """The rows of one response, what they say together, and what is wrong with them."""

    rows: list[Row]
    response: ArrivedResponse | None = None
    faults: list[tuple[Row, Fault]] = field(default_factory=list)


class LongReader:
    """Understands one long file, a response at a time. Raises FileNotReadable naming what the header lacks."""

    def __init__(self, rows: CsvRows, source: Source, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self.rows = rows
        self._source = source
        self._instruments = instruments
        index = {name: at for at, name in enumerate(rows.header)}
        known = {*source.columns.values(), *source.ignored, REASON_COLUMN}
        faults = [
            Fault(f"column {name}", "is no column of this source")
            for name in rows.header
            if name not in known
        ]
        faults += [
            Fault(f"column {c}", "is missing") for w in _NEEDED if (c := source.columns[w]) not in index
        ]
        if faults:
            raise FileNotReadable(faults=faults)
        self._at = {word: index[column] for word, column in source.columns.items() if column in index}
        self._texts = {
            instrument.id: {item.link_id: {str(v): v for v in item.offered} for item in instrument.items}
            for instrument in instruments.values()
        }

    def __iter__(self) -> Iterator[Gathered]:
        seen = SeenIds()
        try:
            for group in self._groups():
                yield self._understand(group, seen)
        finally:
            seen.close()

    def column_of(self, name: str, instrument: InstrumentId | None = None) -> str:
        """The column that a fault's field stands in; an item's faults stand in the value column."""
        if name == "authored":
            return self._source.columns["answered_at"]
        if instrument is not None and name.startswith(instrument + "-"):
            return f"{self._source.columns['value']} of {name}"
        return self._source.columns.get(name, name)

    def _groups(self) -> Iterator[list[Row]]:
        group: list[Row] = []
        at = self._at["response"]
        for row in self.rows:
            together = (
                group
                and row.fault is None
                and group[-1].fault is None
                and row.cells[at] == group[-1].cells[at]
            )
            if group and not together:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _cell(self, row: Row, word: str) -> str:
        return row.cells[self._at[word]] if word in self._at else ""

    def _understand(self, rows: list[Row], seen: SeenIds) -> Gathered:
        gathered = Gathered(rows)
        first = rows[0]
        if first.fault is not None:
            gathered.faults.append((first, first.fault))
            return gathered
        name = self._cell(first, "response")
        if not name:
            gathered.faults += [
                (row, Fault(self._source.columns["response"], "is empty and must not be")) for row in rows
            ]
        elif not seen.add(name):
            what = "resumes a response whose rows stood earlier; the rows of a response stand together"
            gathered.faults += [(row, Fault(self._source.columns["response"], what)) for row in rows]
        else:
            self._gather(gathered, name)
        return gathered

    def _gather(self, gathered: Gathered, name: str) -> None:
        first = gathered.rows[0]
        heading = [
            self._cell(first, word)
            for word in ("enrolment", "timepoint", "instrument", "answered_at", "amends")
        ]
        answers: dict[str, object] = {}
        for row in gathered.rows:
            own = [
                self._cell(row, word)
                for word in ("enrolment", "timepoint", "instrument", "answered_at", "amends")
            ]
            if own != heading:
                gathered.faults.append(
                    (row, Fault("", "differs from the first row of this response outside item and value"))
                )
            self._take_answer(row, heading[2], answers, gathered)
        moment, timepoint = read_moment(heading[3]), self._source.timepoints.get(heading[1])
        self._judge_heading(gathered, heading, moment, timepoint)
        if not gathered.faults and moment is not None and timepoint is not None:
            gathered.response = ArrivedResponse(
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

    def _judge_heading(
        self, gathered: Gathered, heading: list[str], moment: Moment | None, timepoint: object
    ) -> None:
        columns, first = self._source.columns, gathered.rows[0]
        if not heading[0]:
            gathered.faults.append((first, Fault(columns["enrolment"], "is empty and must not be")))
        if timepoint is None:
            gathered.faults.append((first, Fault(columns["timepoint"], "is no timepoint of this source")))
        if heading[2] not in self._instruments:
            gathered.faults.append((first, Fault(columns["instrument"], "is no instrument we know")))
        if moment is None or (self._source.precision is Precision.SECOND and moment.at is None):
            what = "is not a date and time with seconds and offset, such as 2026-03-01T10:11:12+11:00"
            gathered.faults.append((first, Fault(columns["answered_at"], what)))
        if heading[4] not in ("", self._source.amends_when):
            gathered.faults.append((first, Fault(columns["amends"], "says neither yes nor nothing")))

    def _take_answer(self, row: Row, instrument: str, answers: dict[str, object], gathered: Gathered) -> None:
        columns = self._source.columns
        item = self._cell(row, "item")
        if item in answers:
            gathered.faults.append((row, Fault(columns["item"], "is answered twice in one response")))
            return
        text = self._cell(row, "value")
        if text:
            texts = self._texts.get(InstrumentId(instrument), {}).get(LinkId(item), {})
            answers[item] = texts.get(text, text)
