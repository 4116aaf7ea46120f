"""Builds the QuestionnaireResponse of a response."""

from typing import Any

from orjson import Fragment

from fhir_pmp.fhir.elements.datatypes import coding, identifier, reference
from fhir_pmp.fhir.elements.element_cache import as_json_text, cached
from fhir_pmp.fhir.measurement.observation import timepoint_extension
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.fhir.terminology.local_codes import LocalCodes, codes_of
from fhir_pmp.instruments.definition import Instrument, Item
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response, Sharing


def build_questionnaire_response(clinic: ClinicalContext, response: Response) -> RenderedResource:
    """Builds the QuestionnaireResponse of a response; a blank item is left out.

    A blank is neither a zero nor an empty answer.
    """
    instrument = clinic.instruments[response.instrument]
    codes = codes_of(clinic)
    person = reference("Patient", response.person)
    resource: Resource = {
        "resourceType": "QuestionnaireResponse",
        "id": response.id,
        "extension": [timepoint_extension(clinic, response.timepoint)],
        "identifier": identifier(response.identifier),
        "questionnaire": f"{codes.systems.questionnaire(instrument.id)}|{response.instrument_version}",
        "status": response.status.value,
        "subject": person,
        "authored": response.authored.text,
        "author": person,
        "source": person,
    }
    items = [
        _cached_item(clinic, instrument, item, response.answers[item.link_id])
        for item in instrument.items
        if item.link_id in response.answers
    ]
    if items:
        resource["item"] = items
    return render(resource, sharing=Sharing.RECORD, person=response.person, episode=response.episode)


def _cached_item(clinic: ClinicalContext, instrument: Instrument, item: Item, value: int) -> Fragment:
    key = ("answered item", instrument.id, item.link_id, value)
    return cached(clinic, key, lambda: as_json_text(answered_item(codes_of(clinic), item, value)))


def answered_item(codes: LocalCodes, item: Item, value: int) -> dict[str, Any]:
    """Returns one answered item; its text equals the Questionnaire's, as SDC requires."""
    return {"linkId": item.link_id, "text": item_text(item), "answer": [answer_value(codes, item, value)]}


def answer_value(codes: LocalCodes, item: Item, value: int) -> dict[str, Any]:
    """Builds the answer's value[x]: a coding for a verbal item, else a whole number (0-10)."""
    for option in item.options:
        if option.value == value:
            return {"valueCoding": coding(codes.answer(item, option))}
    return {"valueInteger": value}


def item_text(item: Item) -> str:
    """Returns the published wording if we may show it, else our label."""
    return item.text or item.label
