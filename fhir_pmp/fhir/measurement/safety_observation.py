"""Builds the Observation of a safety item's answer, independent of any total score."""

from typing import Any

from fhir_pmp.fhir.elements.datatypes import coding, concept, data_absent_reason, reference
from fhir_pmp.fhir.measurement.observation import OBSERVATION_STATUS, begin_observation
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.fhir.terminology.local_codes import ComponentCode, LocalCodes, codes_of
from fhir_pmp.instruments.definition import Coding, Instrument, Item, SafetyItem
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response, Sharing


def build_safety_observations(clinic: ClinicalContext, response: Response) -> tuple[RenderedResource, ...]:
    """Builds one Observation for every safety item of the instrument, answered or not."""
    instrument = clinic.instruments[response.instrument]
    return tuple(build_safety_observation(clinic, response, safety) for safety in instrument.safety_items)


def item_codings(codes: LocalCodes, instrument: Instrument, item: Item) -> tuple[Coding, ...]:
    """Returns the published codes of an item, and our code."""
    return (*item.codings, codes.item(instrument, item))


def safety_text(instrument: Instrument, item: Item) -> str:
    """Returns the question as shown: our label, because the wording may be licensed."""
    return f"{instrument.title}: {item.label}"


def build_safety_observation(
    clinic: ClinicalContext, response: Response, safety: SafetyItem
) -> RenderedResource:
    """Builds the Observation of the answer to one safety item."""
    instrument, codes = clinic.instruments[response.instrument], codes_of(clinic)
    item = instrument.item(safety.item)
    resource = begin_observation(
        clinic,
        IdKind.ANSWER,
        clinic.ids.answer_id(response.id, item.link_id),
        response,
        status=OBSERVATION_STATUS[response.status],
        codings=item_codings(codes, instrument, item),
        text=safety_text(instrument, item),
        performer=reference("Patient", response.person),
    )
    answer = response.answers.get(item.link_id)
    resource |= answer_value_elements(codes, item, answer)
    resource["derivedFrom"] = [reference("QuestionnaireResponse", response.id)]
    if answer is not None:
        resource["component"] = answer_components(codes, answer)
    return render(resource, sharing=Sharing.RECORD, person=response.person, episode=response.episode)


def answer_value_elements(codes: LocalCodes, item: Item, answer: int | None) -> dict[str, Any]:
    """Returns the answer, or a dataAbsentReason for a blank: a blank is never a zero."""
    if answer is None:
        return {"dataAbsentReason": data_absent_reason("unknown", "not answered")}
    for option in item.options:
        if option.value == answer:
            coded_answer = {"coding": [coding(codes.answer(item, option))], "text": option.label}
            return {"valueCodeableConcept": coded_answer}
    return {"valueInteger": answer}


def answer_components(codes: LocalCodes, answer: int) -> list[dict[str, Any]]:
    """Returns the numeric value of the answer, which its code does not show."""
    return [{"code": concept([codes.component_code(ComponentCode.ANSWER_VALUE)]), "valueInteger": answer}]
