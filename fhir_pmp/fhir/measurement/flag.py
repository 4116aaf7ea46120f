"""Builds the Flag of a safety answer; only an acknowledgement makes it inactive."""

from typing import Any

from fhir_pmp.fhir.elements.datatypes import coding, concept, identifier, reference
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.fhir.terminology.systems import FLAG_CATEGORY, FLAG_DETAIL
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Flag, Sharing
from fhir_pmp.pathway.plain_words import answer_words

SAFETY = Coding(FLAG_CATEGORY, "safety", "Safety")


def build_flag(clinic: ClinicalContext, flag: Flag) -> RenderedResource:
    """Builds the FHIR Flag, with the answer that raised it.

    A later amendment of the answer does not change the Flag.
    """
    instrument, codes = clinic.instruments[flag.instrument], codes_of(clinic)
    item = instrument.item(flag.item)
    rule = next(safety.rule for safety in instrument.safety_items if safety.item == flag.item)
    answer = reference("Observation", clinic.ids.answer_id(flag.response, flag.item))
    resource: Resource = {
        "resourceType": "Flag",
        "id": flag.id,
        "extension": [
            {"url": FLAG_DETAIL, "valueReference": answer},
            {"url": codes.systems.flag_rule, "valueCoding": coding(codes.rule(rule))},
        ],
        "identifier": [identifier(clinic.ids.own_identifier(IdKind.FLAG, flag.id))],
        "status": "active" if flag.acknowledgement is None else "inactive",
        "category": [concept([SAFETY])],
        "code": concept(
            [codes.item(instrument, item)],
            f"{instrument.title}: {item.label}: {answer_words(item, flag.answer)}",
        ),
        "subject": reference("Patient", flag.person),
        "period": _period(flag),
        "author": reference("Organization", clinic.provider_id()),
    }
    return render(resource, sharing=Sharing.RECORD, person=flag.person, episode=flag.episode)


def _period(flag: Flag) -> dict[str, Any]:
    period = {"start": format_instant(flag.raised_at)}
    if flag.acknowledgement is not None:
        period["end"] = format_instant(flag.acknowledgement.at)
    return period
