"""Builds a person's Patient."""

from collections.abc import Mapping
from typing import Any

from fhir_pmp.fhir.elements.datatypes import identifier, reference
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.identifiers import ClientId, PersonId
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Person, Sharing


def build_patient(
    clinic: ClinicalContext,
    person: Person,
    *,
    sharing: Sharing,
    owner: ClientId | None = None,
    received_patient: Mapping[str, Any] | None = None,
) -> RenderedResource:
    """Builds the Patient of a person.

    `received_patient` is the Patient of the referral that registered the person, with references pointed to our ids.
    Everything in it stays, and our identifiers are added.
    """
    known = [
        identifier(one) for one in (clinic.ids.own_identifier(IdKind.PERSON, person.id), *person.identifiers)
    ]
    received = dict(received_patient or {})
    written = received.pop("identifier", [])
    resource: Resource = {
        "resourceType": "Patient",
        "id": person.id,
        "identifier": [*written, *(one for one in known if not _contains_identifier(written, one))],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.sex.value,
        "birthDate": person.birth_date.isoformat(),
    }
    resource |= {key: value for key, value in received.items() if key not in ("resourceType", "id", "meta")}
    return render(resource, sharing=sharing, person=person.id, owner=owner)


def _contains_identifier(identifiers: list[dict[str, Any]], one: dict[str, Any]) -> bool:
    return any(i.get("system") == one["system"] and i.get("value") == one["value"] for i in identifiers)


def mark_replaced(published: Resource, other: PersonId) -> Resource:
    """Returns a duplicate's published Patient as inactive, linked to the one that is kept."""
    link = {"other": reference("Patient", other), "type": "replaced-by"}
    return {**published, "active": False, "link": [*published.get("link", []), link]}
