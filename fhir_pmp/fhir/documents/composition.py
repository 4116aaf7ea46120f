"""Builds a letter's Composition, the first entry of its document Bundle."""

from typing import Any

from fhir_pmp.fhir.documents.letter_document import LetterDocument, LetterSection
from fhir_pmp.fhir.elements.datatypes import coding, concept, identifier, reference
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.elements.narrative import build_narrative
from fhir_pmp.fhir.serialization.rendered_resource import Resource
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext


def build_composition(clinic: ClinicalContext, letter: LetterDocument) -> Resource:
    """Builds the Composition of a letter; its attester has the time of the signature."""
    issued = format_instant(letter.issued_at)
    resource: Resource = {
        "resourceType": "Composition",
        "id": clinic.ids.composition_id(letter.id),
        "identifier": identifier(
            clinic.ids.own_identifier(IdKind.COMPOSITION, clinic.ids.composition_id(letter.id))
        ),
        "status": "final",
        "type": document_type(letter),
        "subject": reference("Patient", letter.person),
        "date": issued,
        "author": [{"reference": letter.author}],
        "title": letter.title,
    }
    if letter.signed:
        resource["attester"] = [
            {"mode": "professional", "time": issued, "party": {"reference": letter.author}}
        ]
    resource["custodian"] = reference("Organization", clinic.provider_id())
    if letter.replaces is not None:
        # By identifier: the replaced Composition is in another document, and a document Bundle must be self-contained.
        replaced = clinic.ids.own_identifier(IdKind.COMPOSITION, clinic.ids.composition_id(letter.replaces))
        resource["relatesTo"] = [{"code": "replaces", "targetIdentifier": identifier(replaced)}]
    resource["section"] = [_section(section) for section in letter.sections]
    return resource


def document_type(letter: LetterDocument) -> dict[str, Any]:
    """Returns the letter's type: its title, and the LOINC document type if any."""
    return concept([letter.type], letter.title) if letter.type is not None else {"text": letter.title}


def _section(section: LetterSection) -> dict[str, Any]:
    written: dict[str, Any] = {"title": section.title}
    if section.code is not None:
        written["code"] = {"coding": [coding(section.code)]}
    written["text"] = build_narrative(section.blocks)
    if section.entries:
        written["entry"] = [{"reference": entry} for entry in section.entries]
    return written
