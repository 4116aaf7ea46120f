"""Builds the Practitioner and PractitionerRole of GPs and our clinicians."""

from typing import Any

from fhir_pmp.fhir.elements.datatypes import identifier, reference
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.identifiers import ClientId, Identifier, ResourceId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Practice, Sharing


def build_practitioner(
    practitioner_id: ResourceId,
    name: str,
    number: Identifier | None,
    *,
    sharing: Sharing = Sharing.DEFINITION,
    owner: ClientId | None = None,
) -> RenderedResource:
    """Builds a Practitioner with one name: a signer or a referring GP.

    A signer has a registration number; a GP has the name that the source gives.
    """
    resource: Resource = {"resourceType": "Practitioner", "id": practitioner_id}
    if number is not None:
        resource["identifier"] = [identifier(number)]
    resource["name"] = [{"text": name}]
    return render(resource, sharing=sharing, owner=owner)


def build_practitioner_role(
    clinic: ClinicalContext,
    practitioner_id: ResourceId,
    organization_id: ResourceId,
    *,
    role: str | None = None,
    sharing: Sharing = Sharing.DEFINITION,
    owner: ClientId | None = None,
) -> RenderedResource:
    """Builds a practitioner at an organization; `role` is free text, so no code is stated."""
    role_id = clinic.ids.role_id(practitioner_id, organization_id)
    resource: Resource = {
        "resourceType": "PractitionerRole",
        "id": role_id,
        "practitioner": reference("Practitioner", practitioner_id),
        "organization": reference("Organization", organization_id),
        **_role(role),
    }
    return render(resource, sharing=sharing, owner=owner)


def build_practice_practitioner(
    clinic: ClinicalContext, practice: Practice, *, sharing: Sharing, owner: ClientId | None = None
) -> tuple[RenderedResource, ...]:
    """Builds a practice's practitioner and the role there; empty if it names none."""
    if practice.practitioner_id is None or practice.practitioner_name is None:
        return ()
    practitioner_id, name = practice.practitioner_id, practice.practitioner_name
    return (
        build_practitioner(
            practitioner_id, name, practice.practitioner_identifier, sharing=sharing, owner=owner
        ),
        build_practitioner_role(
            clinic, practitioner_id, practice.organization_id, sharing=sharing, owner=owner
        ),
    )


def _role(words: str | None) -> dict[str, Any]:
    return {"code": [{"text": words}]} if words else {}
