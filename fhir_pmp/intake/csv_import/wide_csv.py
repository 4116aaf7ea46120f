"""Reads a wide export (one row per person and timepoint) as enrolments and responses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import Identifier, InstrumentId, LinkId, TimepointId
from fhir_pmp.instruments.definition import Instrument, Item
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, ArrivedResponse, Ending
from fhir_pmp.intake.csv_import.cells import CellReader, read_moment
from fhir_pmp.intake.csv_import.csv_rows import REASON_COLUMN, CsvRows, FileNotReadable, Row
from fhir_pmp.intake.csv_import.sources import Precision, Source
from fhir_pmp.pathway.facts import Moment, Sex


@dataclass(frozen=True, slots=True)
class WideRow:
    """The enrolment (None if it repeats the previous row), responses and faults of one row."""

    row: Row
    enrolment: ArrivedEnrolment | None
    responses: tuple[ArrivedResponse, ...]
    faults: tuple[Fault, ...]
    refused: int = 0  # responses refused while reading the row


@dataclass(frozen=True, slots=True)
class _FormColumns:
    """The columns of one instrument: its date, its amendment mark, and its items with offered texts."""

    instrument: InstrumentId
    date_at: int
    amends_at: int | None
    items: tuple[tuple[LinkId, int, Mapping[str, int]], ...]


def item_column(instrument: InstrumentId, link_id: LinkId) -> str:
    """The column of an item: phq9_3 for the item phq9-3."""
    return f"{instrument}_{link_id.removeprefix(instrument + '-')}"


class WideReader:
    """Reads the rows of one wide file. Raises FileNotReadable with every unknown column."""

    def __init__(self, rows: CsvRows, source: Source, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self.rows = rows
        self._source = source
        self._index = {name: at for at, name in enumerate(rows.header)}
        self._forms = tuple(
            form for instrument in instruments.values() if (form := self._form_of(instrument)) is not None
        )
        person_columns = {*source.columns.values(), *source.lesson_columns, *source.identifiers}
        self._person_at = tuple(sorted(at for name, at in self._index.items() if name in person_columns))
        self._check_header(person_columns, instruments)
        self._lessons = {f"lesson_{n}": name for n, name in enumerate(source.lesson_columns, start=1)}
        self._last_person_cells: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[WideRow]:
        for row in self.rows:
            yield self._read_row(row) if row.fault is None else WideRow(row, None, (), (row.fault,))

    def column_of(self, name: str, instrument: InstrumentId | None = None) -> str:
        """The column of a fault's field (a linkId, `authored`, `timepoint`, …)."""
        if instrument is not None:
            if name.startswith(instrument + "-"):
                return item_column(instrument, LinkId(name))
            if name in ("authored", "answers", "response", "instrument"):
                return instrument + self._source.date_suffix
        if name in self._lessons:
            return self._lessons[name]
        # Only the ending can ask for a move that is not listed.
        return self._source.columns.get("ended_how" if name == "episode" else name, name)

    def _form_of(self, instrument: Instrument) -> _FormColumns | None:
        date_at = self._index.get(instrument.id + self._source.date_suffix)
        if date_at is None:
            return None
        items = tuple(
            (item.link_id, self._index[name], _texts(item))
            for item in instrument.items
            if (name := item_column(instrument.id, item.link_id)) in self._index
        )
        return _FormColumns(
            instrument.id, date_at, self._index.get(instrument.id + self._source.amends_suffix), items
        )

    def _check_header(self, person: set[str], instruments: Mapping[InstrumentId, Instrument]) -> None:
        known = person | self._source.ignored | {REASON_COLUMN}
        for form in self._forms:
            known |= {
                form.instrument + self._source.date_suffix,
                form.instrument + self._source.amends_suffix,
            }
            known |= {item_column(form.instrument, link_id) for link_id, _, _ in form.items}
        # A missing column would read as empty cells, and an empty cell changes recorded data.
        self.rows.check_header(known, sorted(person))
        faults = [
            Fault(f"column {form.instrument}_…", f"{missing} item columns are missing")
            for form in self._forms
            if (missing := len(instruments[form.instrument].items) - len(form.items))
        ]
        if faults:
            raise FileNotReadable(faults=faults)

    def _read_row(self, row: Row) -> WideRow:
        faults: list[Fault] = []
        person = tuple(row.cells[at] for at in self._person_at if self._is_person_cell(at))
        enrolment = None
        # Each row repeats the person's data: read them again only if they differ.
        if person != self._last_person_cells:
            enrolment, faults = self._read_enrolment(row)
            self._last_person_cells = person if not faults else ()
        responses, response_faults, refused = self._read_responses(row)
        if faults:
            responses, refused = [], refused + len(responses)
        return WideRow(row, enrolment, tuple(responses), (*faults, *response_faults), refused)

    def _is_person_cell(self, at: int) -> bool:
        return self.rows.header[at] != self._source.columns["timepoint"]

    def _read_enrolment(self, row: Row) -> tuple[ArrivedEnrolment | None, list[Fault]]:
        cells = CellReader(dict(zip(self.rows.header, row.cells, strict=True)))
        column = self._source.columns.get
        found = ArrivedEnrolment(
            source=self._source.id,
            enrolment=cells.text(column("enrolment"), required=True) or "",
            given=cells.text(column("given"), required=True) or "",
            family=cells.text(column("family"), required=True) or "",
            birth_date=cells.day(column("birth_date"), required=True),  # type: ignore[arg-type]  # the fault is noted
            sex=self._read_sex(cells),
            identifiers=self._read_identifiers(cells),
            referral_number=cells.text(column("referral_number")),
            share_with_ehr=bool(
                cells.choice(column("share_with_ehr"), self._source.values["share_with_ehr"])
            ),
            enrolled_on=cells.day(column("enrolled_on")),
            started_on=cells.day(column("started_on")),
            lessons=tuple(
                (number, day)
                for number, name in enumerate(self._source.lesson_columns, start=1)
                if (day := cells.day(name)) is not None
            ),
            ended_on=cells.day(column("ended_on")),
            ended_how=self._read_ending(cells),
            end_reason=cells.text(column("end_reason")),
            practice=self._read_practice(cells),
        )
        return (None if cells.faults else found), cells.faults

    def _read_identifiers(self, cells: CellReader) -> tuple[Identifier, ...]:
        pairs = ((system, cells.text(name)) for name, system in self._source.identifiers.items())
        return tuple(Identifier(system, value) for system, value in pairs if value)

    def _read_sex(self, cells: CellReader) -> Sex:
        word = cells.choice(self._source.columns.get("sex"), self._source.values["sex"])
        return word if isinstance(word, Sex) else Sex.UNKNOWN

    def _read_ending(self, cells: CellReader) -> Ending | None:
        column = self._source.columns.get("ended_how")
        word = cells.choice(column, self._source.values["ended_how"])
        return word if isinstance(word, Ending) else None

    def _read_practice(self, cells: CellReader) -> ArrivedPractice | None:
        column = self._source.columns.get
        number, name = cells.text(column("practice_id")), cells.text(column("practice_name"))
        if number is None or name is None or self._source.practice_system is None:
            return None
        doctor = cells.text(column("practitioner_id"))
        system = self._source.practitioner_system
        return ArrivedPractice(
            Identifier(self._source.practice_system, number),
            name,
            Identifier(system, doctor) if doctor and system else None,
            cells.text(column("practitioner_name")),
        )

    def _read_responses(self, row: Row) -> tuple[list[ArrivedResponse], list[Fault], int]:
        """The responses of the row, the faults of refused responses, and the number of those."""
        cells = row.cells
        event = self._source.columns["timepoint"]
        timepoint = self._source.timepoints.get(cells[self._index[event]])
        if timepoint is None:
            given = sum(bool(cells[form.date_at]) for form in self._forms)
            return [], [Fault(event, "is no timepoint of this source")], given
        found: list[ArrivedResponse] = []
        faults: list[Fault] = []
        enrolment = cells[self._index[self._source.columns["enrolment"]]]
        for form in self._forms:
            response = self._read_form(form, cells, enrolment, timepoint, faults)
            if response is not None:
                found.append(response)
        return found, faults, len(faults)

    def _read_form(
        self,
        form: _FormColumns,
        cells: list[str],
        enrolment: str,
        timepoint: TimepointId,
        faults: list[Fault],
    ) -> ArrivedResponse | None:
        answers: dict[str, object] = {}
        for link_id, at, texts in form.items:
            if text := cells[at]:
                # An answer that is not offered stays text; the check that all channels share refuses it by name.
                answers[link_id] = texts.get(text, text)
        moment = read_moment(cells[form.date_at]) if cells[form.date_at] else None
        if moment is None or (moment.at is not None and self._source.precision is Precision.DATE):
            if answers or cells[form.date_at]:
                faults.append(Fault(form.instrument + self._source.date_suffix, _NO_DATE))
            return None
        amends = form.amends_at is not None and cells[form.amends_at] == self._source.amends_when
        if form.amends_at is not None and not amends and cells[form.amends_at]:
            faults.append(Fault(form.instrument + self._source.amends_suffix, "says neither yes nor nothing"))
            return None
        return _build_response(self._source, enrolment, form.instrument, timepoint, moment, amends, answers)


_NO_DATE = "is not a date written YYYY-MM-DD, and answers need one"


def _build_response(
    source: Source,
    enrolment: str,
    instrument: InstrumentId,
    timepoint: TimepointId,
    moment: Moment,
    amends: bool,
    answers: dict[str, object],
) -> ArrivedResponse:
    return ArrivedResponse(
        source=source.id,
        enrolments_of=source.enrolments_of,
        enrolment=enrolment,
        response_id=None,
        instrument=instrument,
        timepoint=timepoint,
        authored=moment,
        amends=amends,
        answers=answers,
    )


def _texts(item: Item) -> Mapping[str, int]:
    return {str(value): value for value in item.offered}
