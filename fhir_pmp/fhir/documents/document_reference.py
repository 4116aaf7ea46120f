"""Builds a letter's DocumentReference, with its PDF and a link to its document Bundle."""

import hashlib
from base64 import b64encode
from typing import Any

from fhir_pmp.fhir.documents.composition import document_type
from fhir_pmp.fhir.documents.letter_document import LetterDocument
from fhir_pmp.fhir.elements.datatypes import identifier, reference
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing


def build_document_reference(
    clinic: ClinicalContext, letter: LetterDocument, pdf: bytes, *, superseded: bool = False
) -> RenderedResource:
    """Builds the letter's DocumentReference; `pdf` is the file as signed, which never changes."""
    issued = format_instant(letter.issued_at)
    document_id = clinic.ids.document_reference_id(letter.id)
    resource: Resource = {
        "resourceType": "DocumentReference",
        "id": document_id,
        "masterIdentifier": identifier(clinic.ids.own_identifier(IdKind.LETTER, letter.id)),
        "identifier": [identifier(clinic.ids.own_identifier(IdKind.DOCUMENT, document_id))],
        "status": "superseded" if superseded else "current",
        "docStatus": "final",
        "type": document_type(letter),
        "subject": reference("Patient", letter.person),
        "date": issued,
        "author": [{"reference": letter.author}],
        **({"authenticator": {"reference": letter.author}} if letter.signed else {}),
        "custodian": reference("Organization", clinic.provider_id()),
    }
    if letter.replaces is not None:
        replaced = reference("DocumentReference", clinic.ids.document_reference_id(letter.replaces))
        resource["relatesTo"] = [{"code": "replaces", "target": replaced}]
    resource["description"] = letter.title
    resource["content"] = [{"attachment": _attachment(letter, pdf, issued)}]
    resource["context"] = _context(clinic, letter)
    return render(
        resource, sharing=letter.sharing, person=letter.person, episode=letter.episode, owner=letter.owner
    )


def _attachment(letter: LetterDocument, pdf: bytes, issued: str) -> dict[str, Any]:
    return {
        "contentType": "application/pdf",
        "data": b64encode(pdf).decode(),
        "size": len(pdf),
        # FHIR R4 requires SHA-1 here: it detects damaged copies and is no security measure.
        "hash": b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
        "title": letter.title,
        "creation": issued,
    }


def _context(clinic: ClinicalContext, letter: LetterDocument) -> dict[str, Any]:
    related = [reference("Bundle", clinic.ids.document_bundle_id(letter.id))]
    if letter.request is not None:
        related.append(reference("ServiceRequest", letter.request))
    # Access to the EpisodeOfCare needs the person's consent: a letter to the referring practice does not name it.
    episode = [reference("EpisodeOfCare", letter.episode)] if letter.sharing is Sharing.RECORD else []
    return {**({"encounter": episode} if episode else {}), "related": related}
