"""Loads mappings/programme.yaml, or reports every fault of the file."""

import re
from pathlib import Path

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import Identifier, InstrumentId, TimepointId
from fhir_pmp.instruments.definition import Instruments, RuleStatus
from fhir_pmp.instruments.mapping_reader import read_rule
from fhir_pmp.mapping_file import Form, MappingFaults, MappingTable, read_mapping
from fhir_pmp.pathway.programme.definition import (
    Address,
    BaselineRule,
    CommencedBy,
    CommencementRule,
    CompletionRule,
    CrisisText,
    LessonTitle,
    Programme,
    Provider,
    Timepoint,
    TimepointRole,
)

_ID = Form(re.compile(r"[a-z][a-z0-9_]*"), "a lower-case word")
_COUNTRY = Form(re.compile(r"[A-Z]{2}"), "two capital letters")
_URI = Form(re.compile(r"[a-z][a-z0-9+.-]*:\S+"), "a URI")
_SINGLE_ROLES = (TimepointRole.SCREENING, TimepointRole.START, TimepointRole.POST)
_ROLES_AFTER_START = (TimepointRole.POST, TimepointRole.FOLLOW_UP)


def load_programme(path: Path, instruments: Instruments) -> Programme:
    """Loads the programme and checks its instruments against the known ones.

    Raises MappingFaults with every fault of the file.
    """
    faults: list[Fault] = []
    programme = _read_file(path, instruments, faults)
    if programme is None:
        raise MappingFaults(faults=faults)
    return programme


def check_programme(path: Path, instruments: Instruments) -> list[Fault]:
    """Every fault of the file; empty if `load_programme` would load it."""
    faults: list[Fault] = []
    _read_file(path, instruments, faults)
    return faults


def _read_file(path: Path, instruments: Instruments, faults: list[Fault]) -> Programme | None:
    return read_mapping(path, lambda table: _read_programme(table, instruments), faults)


def _read_programme(table: MappingTable, instruments: Instruments) -> Programme:
    lessons = tuple(LessonTitle(n, title) for n, title in enumerate(table.texts("lessons"), start=1))
    if table.has("lessons") and not lessons:
        table.fault("names no lesson", "lessons")
    return Programme(
        title=table.text("title"),
        version=table.text("version"),
        provider=_provider(table.table("provider")),
        lessons=lessons,
        timepoints=_timepoints(table, instruments),
        windows=read_rule(table.table("windows")),
        baseline=_baseline(table.table("baseline")),
        commenced=_commenced(table.table("commenced"), len(lessons)),
        completed_all=_completed(table.table("completed_all"), len(lessons), len(lessons)),
        completed_majority=_completed(table.table("completed_majority"), 1, len(lessons)),
    )


def _provider(table: MappingTable) -> Provider:
    identifier, address = table.table("identifier"), table.table("address")
    crisis = {
        region: CrisisText(region, text.text("text"), read_rule(text))
        for region, text in table.tables_by_name("crisis").items()
    }
    region = table.text("region")
    if table.has("region") and region not in crisis:
        table.fault("names no region that has a crisis text", "region")
    for name, text in crisis.items():
        if text.rule.status is RuleStatus.UNCONFIRMED:
            table.fault(f"the text of {name} is in every letter, so it must not be unconfirmed", "crisis")
    return Provider(
        name=table.text("name"),
        identifier=Identifier(identifier.text("system", _URI), identifier.text("value")),
        address=Address(
            lines=tuple(address.texts("lines")),
            city=address.text("city"),
            state=address.text_or_none("state"),
            postal_code=address.text("postal_code"),
            country=address.text("country", _COUNTRY),
        ),
        phone=table.text("phone"),
        email=table.text("email"),
        region=region,
        crisis_texts=crisis,
    )


def _timepoints(table: MappingTable, instruments: Instruments) -> tuple[Timepoint, ...]:
    before = table.faults_so_far
    entries = table.tables("timepoints")
    timepoints = tuple(_timepoint(entry, instruments) for entry in entries)
    # Faulty fields were replaced by placeholders; checks across fields would report those instead of the real faults.
    if table.faults_so_far == before:
        _check_together(table, entries, timepoints, instruments)
    return timepoints


def _timepoint(table: MappingTable, instruments: Instruments) -> Timepoint:
    span = table.table("window")
    timepoint = Timepoint(
        id=TimepointId(table.text("id", _ID)),
        title=table.text("title"),
        role=table.one_of("role", TimepointRole),
        opens_day=span.whole("from"),
        closes_day=span.whole("to"),
        due_day=table.whole_or_null("due_day"),
        instruments=_known_instruments(table, "instruments", table.texts("instruments"), instruments),
        optional=_known_instruments(table, "optional", table.texts_or_none("optional"), instruments),
    )
    if timepoint.opens_day > timepoint.closes_day:
        span.fault("must not lie before from", "to")
    _check_due(table, timepoint)
    if set(timepoint.instruments) & set(timepoint.optional):
        table.fault("names an instrument that is due as well", "optional")
    return timepoint


def _check_due(table: MappingTable, timepoint: Timepoint) -> None:
    if timepoint.due_day is None:
        if timepoint.role is not TimepointRole.SCREENING:
            table.fault("must be a day: only a screening is due at enrolment (null)", "due_day")
    elif not timepoint.opens_day <= timepoint.due_day <= timepoint.closes_day:
        table.fault("must lie in the window", "due_day")
    if timepoint.role in _ROLES_AFTER_START and timepoint.opens_day <= 0:
        table.table("window").fault("must lie after the start for a timepoint that follows it", "from")


def _check_together(
    table: MappingTable,
    entries: list[MappingTable],
    timepoints: tuple[Timepoint, ...],
    instruments: Instruments,
) -> None:
    roles = [timepoint.role for timepoint in timepoints]
    for role in _SINGLE_ROLES:
        if roles.count(role) != 1:
            table.fault(f"must hold exactly one whose role is {role.value}", "timepoints")
    if len({timepoint.id for timepoint in timepoints}) != len(timepoints):
        table.fault("holds two of the same id", "timepoints")
    opening = [timepoint.opens_day for timepoint in timepoints]
    if opening != sorted(opening):
        table.fault("must be in the order in which their windows open", "timepoints")
    first = {name for one in timepoints if one.role not in _ROLES_AFTER_START for name in one.instruments}
    for entry, timepoint in zip(entries, timepoints, strict=True):
        for name in timepoint.instruments if timepoint.role in _ROLES_AFTER_START else ():
            if instruments[name].scales and name not in first:
                entry.fault(f"{name} is due at no earlier point, so it has no baseline", "instruments")


def _known_instruments(
    table: MappingTable, key: str, names: list[str], instruments: Instruments
) -> tuple[InstrumentId, ...]:
    for name in names:
        if name not in instruments:
            table.fault(f"{name} is not an instrument we know", key)
    return tuple(InstrumentId(name) for name in names)


def _baseline(table: MappingTable) -> BaselineRule:
    return BaselineRule(read_rule(table), table.whole("within_days", lowest=0))


def _commenced(table: MappingTable, lessons: int) -> CommencementRule:
    by = table.one_of("by", CommencedBy)
    needed = table.whole("lessons", 1, lessons) if by is CommencedBy.LESSONS else 1
    return CommencementRule(read_rule(table), by, needed)


def _completed(table: MappingTable, lowest: int, highest: int) -> CompletionRule:
    return CompletionRule(read_rule(table), table.whole("lessons", lowest, highest))
