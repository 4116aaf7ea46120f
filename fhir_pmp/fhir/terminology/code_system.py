"""Builds our CodeSystems, with all our codes and the sources of our rules."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import Resource
from fhir_pmp.fhir.terminology.local_codes import (
    COMPONENT_DISPLAYS,
    VERDICT_DISPLAYS,
    LocalCodes,
    codes_of,
    rule_code,
)
from fhir_pmp.identifiers import definition_id
from fhir_pmp.instruments.definition import Coding, Instrument, Rule, RuleStatus
from fhir_pmp.pathway.clinical_context import ClinicalContext

TITLES = {
    "scales": "Scores and changes of the programme's measures",
    "items": "Questions of the programme's measures",
    "answers": "Answers of the programme's measures that no published terminology names",
    "bands": "Severity bands, each under the version of its rule",
    "rules": "Rules of scoring, blanks, bands and change, each with its version, grounds and source",
    "timepoints": "Timepoints of the programme",
    "verdicts": "What a rule says of a change",
    "parts": "What a component of an Observation states",
}

_RULE_PROPERTIES = [
    {"code": "rule", "description": "The rule's id", "type": "string"},
    {"code": "ruleVersion", "description": "The rule's version", "type": "integer"},
    {"code": "grounds", "description": "verified, derived, policy or unconfirmed", "type": "string"},
    {"code": "source", "description": "Where the rule was read", "type": "string"},
]


def build_code_systems(clinic: ClinicalContext) -> list[Resource]:
    """Builds our code systems that have codes; each version is a hash of the content."""
    codes = codes_of(clinic)
    instruments = clinic.instruments.values()
    concepts: dict[str, list[dict[str, Any]]] = {
        "scales": _concepts(_scale_codings(codes, instruments)),
        "items": _concepts(
            codes.item(instrument, item) for instrument in instruments for item in instrument.items
        ),
        "answers": _concepts(_answer_codings(codes, instruments)),
        "bands": _concepts(_band_codings(codes, instruments)),
        "rules": _rule_concepts(codes, clinic),
        "timepoints": _concepts(codes.timepoint(timepoint) for timepoint in clinic.programme.timepoints),
        "verdicts": _concepts(codes.verdict(verdict) for verdict in VERDICT_DISPLAYS),
        "parts": _concepts(codes.component_code(component_code) for component_code in COMPONENT_DISPLAYS),
    }
    return [_code_system(clinic, name, found) for name, found in concepts.items() if found]


def _code_system(clinic: ClinicalContext, name: str, concepts: list[dict[str, Any]]) -> Resource:
    systems = codes_of(clinic).systems
    url = f"{systems.base}/CodeSystem/{name}"
    content: dict[str, Any] = {
        "name": f"FhirPmp{name.capitalize()}",
        "title": TITLES[name],
        "status": "active",
        "experimental": False,
        "publisher": clinic.programme.provider.name,
        "caseSensitive": True,
        "valueSet": systems.value_set(url),
        "content": "complete",
        "count": len(concepts),
        **({"property": _RULE_PROPERTIES} if name == "rules" else {}),
        "concept": concepts,
    }
    # The version is a hash of the content, so it changes with the content by itself.
    version = hashlib.sha256(write_canonical(content)).hexdigest()[:12]
    opening = {"resourceType": "CodeSystem", "id": definition_id("codesystem", url, version), "url": url}
    return {**opening, "version": version, **content}


def _concepts(codings: Iterable[Coding]) -> list[dict[str, Any]]:
    return [
        {"code": code, "display": display} for code, display in {c.code: c.display for c in codings}.items()
    ]


def _scale_codings(codes: LocalCodes, instruments: Iterable[Instrument]) -> Iterator[Coding]:
    for instrument in instruments:
        yield codes.questionnaire(instrument)
        for scale in instrument.scales:
            yield codes.scale(instrument, scale)
            yield codes.change(instrument, scale)


def _answer_codings(codes: LocalCodes, instruments: Iterable[Instrument]) -> Iterator[Coding]:
    for instrument in instruments:
        for item in instrument.items:
            for option in item.options:
                if not option.codings:
                    yield codes.answer(item, option)


def _band_codings(codes: LocalCodes, instruments: Iterable[Instrument]) -> Iterator[Coding]:
    for instrument in instruments:
        for scale in instrument.scales:
            for bands in scale.band_sets:
                # A concept cannot be marked as unconfirmed, and no resource uses an unconfirmed band.
                for band in bands.bands if bands.rule.status is not RuleStatus.UNCONFIRMED else ():
                    yield codes.band(bands, band)


def _rule_concepts(codes: LocalCodes, clinic: ClinicalContext) -> list[dict[str, Any]]:
    rules = {
        rule_code(rule): rule for instrument in clinic.instruments.values() for rule in _rules(instrument)
    }
    return [
        {
            "code": code,
            "display": codes.rule(rule).display,
            "property": [
                {"code": "rule", "valueString": rule.rule_id},
                {"code": "ruleVersion", "valueInteger": rule.version},
                {"code": "grounds", "valueString": rule.status.value},
                {"code": "source", "valueString": rule.source},
            ],
        }
        for code, rule in rules.items()
    ]


def _rules(instrument: Instrument) -> Iterator[Rule]:
    for scale in instrument.scales:
        yield scale.rule
        yield scale.blanks.rule
        for bands in scale.band_sets:
            yield bands.rule
        for change in scale.changes:
            yield change.rule
    for safety in instrument.safety_items:
        yield safety.rule
