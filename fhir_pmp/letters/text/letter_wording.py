"""Loads the sentences of letters and checks their names and placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.definition import Instruments
from fhir_pmp.mapping_file import MappingTable, load_mapping
from fhir_pmp.pathway.letter_kinds import LetterKind

_HEADINGS = {
    **{kind.value: "programme" for kind in LetterKind},
    "result": "",
    "safety": "",
    "requests": "",
    "contact": "",
    "programme": "",
    "glance": "",
    "measures": "",
    "view": "",
    "comment": "",
    "provenance": "",
}
_SENTENCES = {
    "salutation": "name",
    "salutation_practice": "",
    "opening_referred": "person number",
    "opening_not_referred": "person",
    "replaces": "date",
    "finished": "date lessons",
    "stopped": "date lessons",
    "never_started": "date",
    "never_started_undated": "",
    "never_enrolled": "",
    "stop_reason": "reason",
    "not_start_reason": "reason",
    "result": "counts",
    "counted": "timepoint",
    "worsened": "measures",
    "worsened_later": "timepoint measures",
    "alert": "item timepoints",
    "unanswered": "item timepoints",
    "safety_line": "timepoint date answer",
    "safety_absent": "timepoint absence",
    "actions_taken": "actions",
    "flags_title": "",
    "flag": "timepoint answer date name action",
    "flag_since": "timepoint answer date name since action",
    "flag_open": "timepoint answer",
    "next_contact": "timepoint status",
    "received_of": "received due",
    "no_contact": "",
    "back": "provider phone",
    "questionnaires_title": "",
    "questionnaires": "timepoint status",
    "enrolled": "date",
    "started": "date",
    "lessons": "lessons dates",
    "lessons_none": "lessons",
    "range": "lowest highest better",
    "score": "timepoint date score band",
    "score_only": "timepoint date score",
    "noted": "line notes",
    "absent": "timepoint absence",
    "absent_on": "timepoint date absence",
    "nothing_received": "measure absences",
    "nothing_received_title": "",
    "prorated": "answered items",
    "blanks": "answered items",
    "amended": "",
    "outside_window": "",
    "change": "baseline timepoint words percent Better",
    "change_none": "baseline timepoint words Better",
    "change_no_percent": "baseline timepoint words Better",
    "change_not_known": "baseline timepoint",
    "baseline": "words",
    "verdict": "rule verdict",
    "verdict_counted": "rule verdict",
    "verdict_at": "timepoint verdict",
    "graded": "verdict grade",
    "because": "verdict reason",
    "not_assessable": "",
    "glance_measure": "",
    "glance_baseline": "",
    "glance_other_baseline": "score timepoint",
    "glance_change": "",
    "glance_verdict": "",
    "not_known": "",
    "own_view": "title answer",
    "screening_not_diagnosis": "",
    "not_collected": "",
    "versions": "measure instrument version rules",
    "rule": "rule_id version",
    "sincerely": "",
    "registration": "registration",
    "unsigned": "",
    "footer": "person birth_date letter",
    "received": "authored person received",
    "received_undated": "person received",
    "number": "number",
    "receipt_next": "",
    "receipt_urgent": "",
    "declined": "authored person number date",
    "declined_undated": "person number date",
    "decline_reason": "reason",
}
_SUBJECT = {
    "person": "",
    "born": "",
    "referral": "",
}
_REQUESTS = {
    "usual": "",
    "worsened": "measures",
    "safety": "",
    "return": "given",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """The checked content of mappings/letters/wording.yaml: all sentences, only known placeholders."""

    version: str
    _sentences: Mapping[str, str]
    _headings: Mapping[str, str]
    _subject: Mapping[str, str]
    _requests: Mapping[str, str]
    _codes: Mapping[str, str]
    _safety_items: Mapping[str, str]
    _identifiers: Mapping[str, str]

    def sentence(self, sentence: str, **words: object) -> str:
        """The sentence of that name with its words filled in.

        The words are text, never a template.
        """
        return self._sentences[sentence].format(**words)

    def heading(self, name: str, **words: object) -> str:
        """The heading of a letter or a section."""
        return self._headings[name].format(**words)

    def subject(self, name: str) -> str:
        """The label of a line about the letter's person."""
        return self._subject[name]

    def request(self, name: str, **words: object) -> str:
        """The proposed request to the GP."""
        return self._requests[name].format(**words)

    def code(self, section: str) -> str | None:
        """The LOINC code of a section, where one is verified."""
        return self._codes.get(section)

    def safety_item(self, item: LinkId, title: str) -> str:
        """The name of a safety item in letters; `title` is the item's own label."""
        return self._safety_items.get(item, title)

    def identifier(self, system: str) -> str | None:
        """The label of an identifier system; None: letters do not print such identifiers."""
        return self._identifiers.get(system)


def load_wording(path: Path, instruments: Instruments) -> Wording:
    """Reads the wording file. Raises MappingFaults with every wrong line."""

    def read(table: MappingTable) -> Wording:
        return Wording(
            version=table.text("version"),
            _sentences=_templates(table.table("sentences"), _SENTENCES),
            _headings=_templates(table.table("headings"), _HEADINGS),
            _subject=_templates(table.table("subject"), _SUBJECT),
            _requests=_templates(table.table("requests"), _REQUESTS),
            _codes=_checked_texts(table, "codes", set(_HEADINGS), "is no section of a letter"),
            _safety_items=_checked_texts(
                table, "safety_items", _safety_item_ids(instruments), "is no safety item"
            ),
            _identifiers=table.texts_by_name("identifiers"),
        )

    return load_mapping(path, read)


def _templates(table: MappingTable, known: Mapping[str, str]) -> dict[str, str]:
    templates = {}
    for name, words in known.items():
        text = table.text(name)
        if text and _placeholders(text) != sorted(words.split()):
            wanted = ", ".join(f"{{{word}}}" for word in words.split()) or "no {name}"
            table.fault(f"must hold {wanted}, once each, and no other", name)
        templates[name] = text
    return templates


def _placeholders(text: str) -> list[str] | None:
    """The names in braces; None where they do more than name a word."""
    names = []
    try:
        for _, name, format_spec, conversion in Formatter().parse(text):
            if name is not None:
                if not name.isidentifier() or format_spec or conversion:
                    return None
                names.append(name)
    except ValueError:
        return None
    return sorted(names)


def _checked_texts(table: MappingTable, key: str, known: set[str], what: str) -> dict[str, str]:
    named = table.texts_by_name(key)
    for name in named:
        if name not in known:
            table.table(key).fault(what, name)
    return named


def _safety_item_ids(instruments: Instruments) -> set[str]:
    return {safety.item for one in instruments.values() for safety in one.safety_items}


def join_words(words: Sequence[str]) -> str:
    """Joins words as prose lists them.

    "start"; "start and end of programme"; "screening, start and end of programme".
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def lower_first(text: str) -> str:
    """The text with a small first letter, for the inside of a sentence."""
    return text[:1].lower() + text[1:]
