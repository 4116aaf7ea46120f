"""A safety item's answer as an Observation of its own, independent of every total; unanswered says so."""

from typing import Any

from fhir_pmp.fhir.datatypes import absent, coding, concept, reference
from fhir_pmp.fhir.local_codes import LocalCodes, Part
from fhir_pmp.fhir.observation import STATUS_OF, codes_of, open_observation
from fhir_pmp.fhir.rendered import Rendered, render
from fhir_pmp.instruments.definition import Coding, Instrument, Item, SafetyItem
from fhir_pmp.pathway.clinic import Clinic, Kind
from fhir_pmp.pathway.facts import Response, Sharing


def build_safety_observations(clinic: Clinic, response: Response) -> tuple[Rendered, ...]:
    """One Observation for every safety item of the instrument, answered or not."""
    instrument = clinic.instruments[response.instrument]
    return tuple(build_safety_observation(clinic, response, safety) for safety in instrument.safety_items)


def item_codings(codes: LocalCodes, instrument: Instrument, item: Item) -> tuple[Coding, ...]:
    """The published codes of an item, and ours."""
    return (*item.codings, codes.item(instrument, item))


def safety_text(instrument: Instrument, item: Item) -> str:
    """What a reader sees the answer is to: our label, for licensed wording has no place here."""
    return f"{instrument.title}: {item.label}"


def build_safety_observation(clinic: Clinic, response: Response, safety: SafetyItem) -> Rendered:
    """The answer to one safety item."""
    instrument, codes = clinic.instruments[response.instrument], codes_of(clinic)
    item = instrument.item(safety.item)
    resource = open_observation(
        clinic,
        Kind.ANSWER,
        clinic.answer_id(response.id, item.link_id),
        response,
        status=STATUS_OF[response.status],
        codings=item_codings(codes, instrument, item),
        text=safety_text(instrument, item),
        performer=reference("Patient", response.person),
    )
    answer = response.answers.get(item.link_id)
    resource |= safety_statement(codes, item, answer)
    resource["derivedFrom"] = [reference("QuestionnaireResponse", response.id)]
    if answer is not None:
        resource["component"] = safety_components(codes, answer)
    return render(resource, sharing=Sharing.RECORD, person=response.person, episode=response.episode)


def safety_statement(codes: LocalCodes, item: Item, answer: int | None) -> dict[str, Any]:
    """The answer, or that there is none: a blank is never a zero."""
    if answer is None:
        return {"dataAbsentReason": absent("unknown", "not answered")}
    for option in item.options:
        if option.value == answer:
            said = {"coding": [coding(codes.answer(item, option))], "text": option.label}
            return {"valueCodeableConcept": said}
    return {"valueInteger": answer}


def safety_components(codes: LocalCodes, answer: int) -> list[dict[str, Any]]:
    """The answer's value, which the code of the answer does not tell."""
    return [{"code": concept([codes.part(Part.ANSWER_VALUE)]), "valueInteger": answer}]
