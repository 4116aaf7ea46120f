"""Reads mappings/sources/*.yaml and reports every fault of every file in one run."""

from collections.abc import Mapping, Set
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_pmp.identifiers import SourceId, TimepointId
from fhir_pmp.intake.arrivals import Ending
from fhir_pmp.intake.csv_import.sources import Precision, Shape, Source
from fhir_pmp.mapping_file import MappingTable, load_folder
from fhir_pmp.pathway.facts import Sex
from fhir_pmp.pathway.programme.definition import Programme

_COMMON_COLUMNS = ("enrolment", "timepoint")
_WIDE_COLUMNS = ("given", "family", "birth_date", "sex", "share_with_ehr", "started_on")
_LONG_COLUMNS = ("response", "instrument", "answered_at", "item", "value")
_YES_OR_NO = {"yes": True, "no": False}


def load_sources(folder: Path, programme: Programme) -> Mapping[SourceId, Source]:
    """Loads every source of the folder, by its id.

    Raises MappingFaults with every fault of every file.
    """
    names = {path.stem for path in folder.glob("*.yaml")}
    sources = load_folder(folder, lambda table: _read_source(table, programme, names))
    return {source.id: source for source in sources.values()}


def _read_source(table: MappingTable, programme: Programme, names: Set[str]) -> Source:
    shape = table.one_of("shape", Shape)
    answers = table.table("answers")
    own = table.file_name("id")
    enrolments_of = table.text_or_none("enrolments_of") or own
    if table.has("enrolments_of") and enrolments_of not in names:
        table.fault("names no source", "enrolments_of")
    return Source(
        id=SourceId(own),
        version=table.text("version"),
        title=table.text("title"),
        shape=shape,
        zone=_read_zone(table),
        precision=table.one_of("precision", Precision),
        enrolments_of=SourceId(enrolments_of),
        columns=_read_columns(table, shape),
        lesson_columns=_read_lessons(table, shape, programme),
        identifiers=table.texts_by_name("identifiers") if table.has("identifiers") else {},
        practice_system=table.text_or_none("practice_system"),
        practitioner_system=table.text_or_none("practitioner_system"),
        timepoints=_read_timepoints(table, programme),
        values=_read_values(table) if shape is Shape.WIDE else {},
        date_suffix=answers.text("date_suffix") if shape is Shape.WIDE else "",
        amends_suffix=answers.text("amends_suffix") if shape is Shape.WIDE else "",
        amends_when=answers.text("amends_when"),
        ignored=frozenset(table.texts_or_none("ignored")),
    )


def _read_zone(table: MappingTable) -> ZoneInfo:
    name = table.text("zone")
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        table.fault("is not a zone of the IANA database", "zone")
        return ZoneInfo("UTC")


def _read_columns(table: MappingTable, shape: Shape) -> Mapping[str, str]:
    columns = table.texts_by_name("columns")
    for word in (*_COMMON_COLUMNS, *(_WIDE_COLUMNS if shape is Shape.WIDE else _LONG_COLUMNS)):
        if word not in columns:
            table.fault(f"lacks {word}", "columns")
    return columns


def _read_lessons(table: MappingTable, shape: Shape, programme: Programme) -> tuple[str, ...]:
    names = tuple(table.texts_or_none("lesson_columns"))
    if shape is Shape.WIDE and len(names) != len(programme.lessons):
        table.fault(
            f"must name one column for each of the {len(programme.lessons)} lessons", "lesson_columns"
        )
    return names


def _read_timepoints(table: MappingTable, programme: Programme) -> Mapping[str, TimepointId]:
    known = {timepoint.id for timepoint in programme.timepoints}
    found = {word: TimepointId(ours) for word, ours in table.texts_by_name("timepoints").items()}
    for word, ours in found.items():
        if ours not in known:
            table.fault(f"{word} names no timepoint of the programme", "timepoints")
    return found


def _read_values(table: MappingTable) -> Mapping[str, Mapping[str, object]]:
    values = table.table("values")
    share = _read_words(values, "share_with_ehr", _YES_OR_NO)
    share.setdefault("", False)  # an empty cell gives no consent
    return {
        "share_with_ehr": share,
        "sex": {"": Sex.UNKNOWN, **_read_words(values, "sex", {sex.value: sex for sex in Sex})},
        "ended_how": {
            "": None,
            **_read_words(values, "ended_how", {ending.value: ending for ending in Ending}),
        },
    }


def _read_words(values: MappingTable, key: str, ours: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for word, meaning in values.texts_by_name(key).items():
        if meaning not in ours:
            values.fault(f"{word} must mean one of {', '.join(ours)}", key)
        found[word] = ours.get(meaning)
    return found
