"""Builds an instrument's Questionnaire, with SDC weights, score expressions and extraction marks."""

from decimal import Decimal
from typing import Any

from fhir_pmp.fhir.elements.datatypes import coding, concept
from fhir_pmp.fhir.measurement.observation import SURVEY
from fhir_pmp.fhir.measurement.questionnaire_response import item_text
from fhir_pmp.fhir.measurement.safety_observation import item_codings
from fhir_pmp.fhir.measurement.score_expression import score_expression
from fhir_pmp.fhir.measurement.score_observation import score_codings
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.fhir.terminology.local_codes import LocalCodes, codes_of
from fhir_pmp.fhir.terminology.systems import (
    CALCULATED_EXPRESSION,
    ITEM_WEIGHT,
    MAX_VALUE,
    MIN_VALUE,
    OBSERVATION_EXTRACT,
    OBSERVATION_EXTRACT_CATEGORY,
    ORDINAL_VALUE,
    QUESTIONNAIRE_UNIT,
    UCUM,
)
from fhir_pmp.identifiers import ScaleId, definition_id
from fhir_pmp.instruments.definition import Instrument, Item, Option, Scale
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing


def build_questionnaire(clinic: ClinicalContext, instrument: Instrument) -> RenderedResource:
    """Builds the Questionnaire; item texts are the published wording if rights allow, else our labels."""
    codes = codes_of(clinic)
    url = codes.systems.questionnaire(instrument.id)
    resource: Resource = {
        "resourceType": "Questionnaire",
        "id": definition_id("questionnaire", url, instrument.version),
        "url": url,
        "version": instrument.version,
        "name": "".join(part.capitalize() for part in instrument.id.split("_")),
        "title": instrument.title,
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "publisher": clinic.programme.provider.name,
        "description": f"{instrument.title}. {instrument.source}",
        "copyright": "\n".join((instrument.rights.statement, *instrument.notices)),
        "code": [coding(one) for one in (*instrument.codings, codes.questionnaire(instrument))],
        "item": [_item(codes, instrument, item) for item in instrument.items],
    }
    resource["item"] += _score_items(codes, instrument, None)
    return render(resource, sharing=Sharing.DEFINITION)


def _item(codes: LocalCodes, instrument: Instrument, item: Item) -> dict[str, Any]:
    extensions: list[dict[str, Any]] = []
    if item.link_id in {safety.item for safety in instrument.safety_items}:
        extensions += _extraction_marks("independent")
    if not item.options:
        extensions.append({"url": MIN_VALUE, "valueInteger": item.lowest})
        extensions.append({"url": MAX_VALUE, "valueInteger": item.highest})
    written: dict[str, Any] = {"extension": extensions} if extensions else {}
    written |= {
        "linkId": item.link_id,
        "code": [coding(one) for one in item_codings(codes, instrument, item)],
        "text": item_text(item),
        "type": "choice" if item.options else "integer",
        "required": False,
    }
    if item.options:
        written["answerOption"] = [_option(codes, item, option) for option in item.options]
    return written


def _option(codes: LocalCodes, item: Item, option: Option) -> dict[str, Any]:
    # The weight twice: as itemWeight, and as ordinalValue for readers older than R5.
    weights = [{"url": url, "valueDecimal": Decimal(option.value)} for url in (ITEM_WEIGHT, ORDINAL_VALUE)]
    return {"extension": weights, "valueCoding": coding(codes.answer(item, option))}


def _score_items(codes: LocalCodes, instrument: Instrument, parent: ScaleId | None) -> list[dict[str, Any]]:
    """The scales as calculated items; a sub-scale is nested in its scale, as its member."""
    written = []
    for scale in instrument.scales:
        expression = score_expression(instrument, scale) if scale.part_of == parent else None
        if expression is not None:
            written.append(_score_item(codes, instrument, scale, expression))
    return written


def _score_item(codes: LocalCodes, instrument: Instrument, scale: Scale, expression: str) -> dict[str, Any]:
    unit = {"system": UCUM, "code": "{score}", "display": "{score}"}
    calculated = {"language": "text/fhirpath", "expression": expression}
    item: dict[str, Any] = {
        "extension": [
            {"url": CALCULATED_EXPRESSION, "valueExpression": calculated},
            *_extraction_marks("independent" if scale.part_of is None else "member"),
            {"url": QUESTIONNAIRE_UNIT, "valueCoding": unit},
        ],
        "linkId": score_link_id(instrument, scale),
        "code": [coding(one) for one in score_codings(codes, instrument, scale)],
        "text": scale.title,
        "type": "decimal",
        "required": False,
        "readOnly": True,
    }
    members = _score_items(codes, instrument, scale.id)
    return {**item, "item": members} if members else item


def score_link_id(instrument: Instrument, scale: Scale) -> str:
    """Returns the linkId of a scale's calculated item."""
    return f"{instrument.id}-score-{scale.id}"


def _extraction_marks(relation: str) -> list[dict[str, Any]]:
    return [
        {"url": OBSERVATION_EXTRACT, "valueCode": relation},
        {"url": OBSERVATION_EXTRACT_CATEGORY, "valueCodeableConcept": concept([SURVEY])},
    ]
