"""Describes which content an EHR takes: categories of Observation, and its codes beside ours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.ehr.config.content import read_content
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.terminology.systems import OBSERVATION_CATEGORY, Systems
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.mapping_file import MappingTable

CATEGORIES = frozenset(
    {
        "social-history",
        "vital-signs",
        "imaging",
        "laboratory",
        "procedure",
        "survey",
        "exam",
        "therapy",
        "activity",
    }
)
"""The codes of http://terminology.hl7.org/CodeSystem/observation-category."""
TRANSLATED_TYPES = frozenset({"Observation", "DocumentReference", "Flag"})
"""Types whose codes are translated. What defines codes, and what was signed, says what it says."""

_OWN = Systems("")
_OWN_SYSTEMS = {
    system.rpartition("/")[2]: system
    for system in (
        *(_OWN.scales, _OWN.items, _OWN.answers, _OWN.bands),
        *(_OWN.rules, _OWN.timepoints, _OWN.verdicts, _OWN.parts),
    )
}


@dataclass(frozen=True, slots=True)
class Translation:
    """One code of ours, and what the EHR calls the same."""

    system: str  # a whole system, or the end of one of ours: what it begins with is the installation's
    code: str
    theirs: Mapping[str, str]  # system, code and display

    def matches(self, coding: Mapping[str, Any]) -> bool:
        """Whether this coding is meant."""
        system = coding.get("system")
        if coding.get("code") != self.code or not isinstance(system, str):
            return False
        return system.endswith(self.system) if self.system.startswith("/") else system == self.system


@dataclass(frozen=True, slots=True)
class ContentRules:
    """What one EHR takes."""

    categories: frozenset[str] | None = None  # None: every Observation
    codes: tuple[Translation, ...] = ()

    def refusal_reason(self, kind: str, content: bytes) -> str | None:
        """Why a resource does not go there; None where it does."""
        if self.categories is None or kind != "Observation":
            return None
        try:
            if _categories(read_content(content)) & self.categories:
                return None
        except NotUnderstood:
            return None  # a fault of ours in this one alone: it is told when it cannot be rendered
        return "the destination file does not name its category"

    def translated(self, kind: str, content: bytes, largest: int) -> bytes:
        """Returns the content with the EHR's code first where there is one, then ours."""
        if kind not in TRANSLATED_TYPES or not self.codes:
            return content
        resource = read_json(content, max_bytes=largest)
        translated = self._translated(resource)
        return content if translated == resource else write_canonical(translated)

    def _translated(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._translated(member) for member in value]
        if not isinstance(value, dict):
            return value
        copy = {name: self._translated(member) for name, member in value.items()}
        if isinstance(copy.get("coding"), list):
            copy["coding"] = self._codings(copy["coding"])
        return copy

    def _codings(self, ours: Sequence[Any]) -> list[Any]:
        theirs = [
            dict(one.theirs)
            for one in self.codes
            if any(isinstance(c, dict) and one.matches(c) for c in ours)
        ]
        return [*(coding for coding in theirs if coding not in ours), *ours]


def own_codes(instruments: Iterable[Instrument]) -> Mapping[str, frozenset[str]]:
    """The codes of ours that name scales and items, by the name of their system."""
    scales: set[str] = set()
    items: set[str] = set()
    for instrument in instruments:
        names = {f"{instrument.id}.{scale.id}" for scale in instrument.scales}
        scales |= {str(instrument.id), *names, *(f"change.{name}" for name in names)}
        items |= {str(item.link_id) for item in instrument.items}
    return {"scales": frozenset(scales), "items": frozenset(items)}


def read_content_rules(
    table: MappingTable, known: Mapping[str, frozenset[str]] | None = None
) -> ContentRules:
    """Reads the content rules of a destination file.

    `known`: our codes of the systems that the file names.
    """
    categories = table.texts("categories") if table.has("categories") else None
    if categories is not None and not CATEGORIES.issuperset(categories):
        table.fault(f"must be categories of Observations: {', '.join(sorted(CATEGORIES))}", "categories")
    codes = [_translation(one, known or {}) for one in table.tables_or_none("codes")]
    ours = [(one.system, one.code) for one in codes]
    if len(ours) != len(set(ours)):
        table.fault("translates one code of ours twice", "codes")
    return ContentRules(None if categories is None else frozenset(categories), tuple(codes))


def _translation(table: MappingTable, known: Mapping[str, frozenset[str]]) -> Translation:
    system, bar, code = table.text("ours").rpartition("|")
    if not bar or not code or not ("://" in system or system.startswith("urn:") or system in _OWN_SYSTEMS):
        names = ", ".join(_OWN_SYSTEMS)
        table.fault(f"must be SYSTEM|CODE, the system a URI or one of ours by name: {names}", "ours")
    elif system in known and code not in known[system]:
        table.fault(f"is no code of our {system}", "ours")
    theirs = {name: table.text(name) for name in ("system", "code", "display")}
    if "://" not in theirs["system"] and not theirs["system"].startswith("urn:"):
        table.fault("must be a URI", "system")
    return Translation(_OWN_SYSTEMS.get(system, system), code, theirs)


def _categories(resource: Mapping[str, Any]) -> set[str]:
    concepts = resource.get("category")
    codings = [
        coding
        for concept in (concepts if isinstance(concepts, list) else [])
        for coding in (concept.get("coding") or [])
    ]
    return {str(c.get("code")) for c in codings if c.get("system") == OBSERVATION_CATEGORY}
