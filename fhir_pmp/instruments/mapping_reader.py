"""Reads one instrument's mapping file, section by section, and notes every fault."""

import re
from fractions import Fraction

from fhir_pmp.identifiers import InstrumentId, LinkId, ScaleId
from fhir_pmp.instruments.definition import (
    Band,
    BandSet,
    Better,
    BlanksRule,
    ChangeKind,
    ChangeRule,
    Coding,
    Instrument,
    Item,
    Method,
    Option,
    Rights,
    Rule,
    RuleStatus,
    SafetyItem,
    Scale,
)
from fhir_pmp.instruments.terminology_codes import LOINC, SNOMED, is_valid_loinc_code, is_valid_snomed_code
from fhir_pmp.mapping_file import Form, MappingTable

_TERMINOLOGIES = {"loinc": (LOINC, is_valid_loinc_code), "snomed": (SNOMED, is_valid_snomed_code)}
_NO_STAND_IN = Fraction(0)
_RECALL = Form(re.compile(r"[1-9][0-9]*[hdw]"), "a number and h, d or w")


def read_instrument(table: MappingTable) -> Instrument:
    """Reads the instrument as its file states it; `consistency_checks` checks that its parts agree."""
    recall = table.text_or_none("recall", _RECALL)
    return Instrument(
        id=InstrumentId(table.file_name("id")),
        version=table.text("version"),
        title=table.text("title"),
        recall=recall,
        source=table.text("source"),
        rights=_rights(table.table("rights")),
        items=_items(table, recall),
        scales=tuple(_scale(scale, recall) for scale in table.tables("scales")),
        safety_items=tuple(_safety_item(item) for item in table.tables_or_none("safety_items")),
        codings=_codings(table, recall),
        notices=tuple(table.texts_or_none("notices")),
        introduction=table.text_or_none("introduction"),
    )


def read_rule(table: MappingTable) -> Rule:
    """Reads the four fields of every rule: rule_id, version, status, source."""
    version = table.whole("version", lowest=1)
    return Rule(table.text("rule_id"), version, table.one_of("status", RuleStatus), table.text("source"))


def _rights(table: MappingTable) -> Rights:
    return Rights(table.flag("ship_wording"), table.text("statement"), table.text("evidence"))


def _items(table: MappingTable, recall: str | None) -> tuple[Item, ...]:
    lists = {name: _options(answers, recall) for name, answers in _answer_lists(table)}
    items = tuple(_item(item, lists, recall) for item in table.tables("items"))
    used = {item.text_or_none("answers") for item in table.tables_or_none("items")}
    for name in lists:
        if name not in used:
            table.fault(f"holds a list that no item uses: {name}", "answers")
    return items


def _answer_lists(table: MappingTable) -> list[tuple[str, list[MappingTable]]]:
    if not table.has("answers"):
        return []
    named = table.table("answers")
    return [(name, named.tables(name)) for name in named.names()]


def _options(answers: list[MappingTable], recall: str | None) -> tuple[Option, ...]:
    return tuple(Option(one.whole("value"), one.text("label"), _codings(one, recall)) for one in answers)


def _item(table: MappingTable, lists: dict[str, tuple[Option, ...]], recall: str | None) -> Item:
    link_id, label, text = LinkId(table.text("id")), table.text("label"), table.text_or_none("text")
    options, lowest, highest = _answers(table, lists)
    return Item(link_id, label, text, options, lowest, highest, _codings(table, recall))


def _answers(
    table: MappingTable, lists: dict[str, tuple[Option, ...]]
) -> tuple[tuple[Option, ...], int, int]:
    """A verbal item names a list of answers; an integer item states its lowest and highest answer."""
    if not table.has("answers"):
        lowest, highest = table.whole("lowest"), table.whole("highest")
        if table.has("lowest") and table.has("highest") and not 0 <= lowest < highest:
            table.fault("must be greater than lowest, and lowest 0 or more", "highest")
        return (), lowest, highest
    name = table.text("answers")
    options = lists.get(name, ())
    values = [option.value for option in options]
    if not options:
        table.fault("names no list of answers of this file, or an empty one", "answers")
        return (), 0, 0
    if values != sorted(set(values)) or values[0] < 0:
        table.fault("names a list whose values do not rise from 0 or more", "answers")
    codes = [coding for option in options for coding in option.codings]
    if len(codes) != len(set(codes)):
        table.fault("names a list where one code stands for two answers", "answers")
    return options, values[0], values[-1]


def _scale(table: MappingTable, recall: str | None) -> Scale:
    scoring = table.table("scoring")
    method = scoring.one_of("method", Method)
    span = table.table("range")
    part_of = table.text_or_none("part_of")
    return Scale(
        id=ScaleId(table.text("id")),
        title=table.text("title"),
        items=tuple(LinkId(name) for name in table.texts("items")),
        reversed=frozenset(LinkId(name) for name in scoring.texts_or_none("reversed")),
        method=method,
        multiplier=scoring.whole_or_none("multiplier") or 1,
        whole=method is Method.SUM,
        lowest=span.number("lowest"),
        highest=span.number("highest"),
        better=table.one_of("better", Better),
        blanks=_blanks(table.table("blanks")),
        rule=read_rule(scoring),
        band_sets=tuple(_band_set(bands) for bands in table.tables_or_none("band_sets")),
        changes=tuple(_change_rule(change) for change in table.tables_or_none("changes")),
        headline_rule=table.text_or_null("headline_rule"),
        codings=_codings(table, recall),
        part_of=ScaleId(part_of) if part_of is not None else None,
    )


def _blanks(table: MappingTable) -> BlanksRule:
    return BlanksRule(read_rule(table), table.whole("allowed"))


def _band_set(table: MappingTable) -> BandSet:
    return BandSet(table.text("id"), read_rule(table), tuple(_band(band) for band in table.tables("bands")))


def _band(table: MappingTable) -> Band:
    """`from` and `to` are included bounds; `above` and `below` are excluded bounds."""
    lowest, lowest_included = _edge(table, "from", "above")
    highest, highest_included = _edge(table, "to", "below")
    return Band(table.text("label"), lowest, lowest_included, highest, highest_included)


def _edge(table: MappingTable, included: str, excluded: str) -> tuple[Fraction, bool]:
    if table.has(included) == table.has(excluded):
        table.fault(f"needs either {included} or {excluded}")
        return _NO_STAND_IN, True
    return table.number(included if table.has(included) else excluded), table.has(included)


def _change_rule(table: MappingTable) -> ChangeRule:
    kind = table.one_of("kind", ChangeKind)
    keys = _KEYS_OF_KIND[kind]
    return ChangeRule(
        rule=read_rule(table),
        title=table.text("title"),
        kind=kind,
        points=table.number("points", above=0) if "points" in keys else None,
        percent=table.number("percent", above=0) if "percent" in keys else None,
        grades=_grades(table) if "grades" in keys else (),
        sem=table.number("sem", above=0) if "sem" in keys else None,
        bands=table.text("bands") if "bands" in keys else None,
    )


# The keys of each kind of rule. Another of these keys in a rule is never read, and so reported as unknown.
_KEYS_OF_KIND = {
    ChangeKind.POINTS: ("points",),
    ChangeKind.POINTS_AND_BAND: ("points", "bands"),
    ChangeKind.PERCENT: ("percent",),
    ChangeKind.PERCENT_GRADED: ("grades",),
    ChangeKind.RELIABLE_SEM: ("sem",),
}


def _grades(table: MappingTable) -> tuple[tuple[str, Fraction], ...]:
    grades = tuple(
        (grade.text("label"), grade.number("percent", above=0)) for grade in table.tables("grades")
    )
    least = [percent for _, percent in grades]
    if not grades or least != sorted(set(least)):
        table.fault("must be a list of grades whose percent rises", "grades")
    return grades


def _safety_item(table: MappingTable) -> SafetyItem:
    return SafetyItem(LinkId(table.text("item")), table.whole_or_null("flag_from"), read_rule(table))


def _codings(table: MappingTable, recall: str | None) -> tuple[Coding, ...]:
    """Reads the codes of an entry; a code with a recall period only if the instrument has the same one."""
    found = ((coding, coding.text_or_none("only_for_recall")) for coding in table.tables_or_none("codings"))
    read = [(_coding(coding), only) for coding, only in found]
    return tuple(coding for coding, only in read if coding is not None and only in (None, recall))


def _coding(table: MappingTable) -> Coding | None:
    named = [name for name in _TERMINOLOGIES if table.has(name)]
    display = table.text_or_none("display")
    if len(named) != 1:
        table.fault("needs either loinc or snomed")
        return None
    system, holds = _TERMINOLOGIES[named[0]]
    code = table.text(named[0])
    if not holds(code):
        table.fault("has a wrong check digit or form", named[0])
    return Coding(system, code, display)
