"""Builds the Organizations of the programme's provider and of GP practices."""

from typing import Any

from fhir_pmp.fhir.elements.datatypes import identifier
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.identifiers import ClientId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Practice, Sharing
from fhir_pmp.pathway.programme.definition import Address


def build_provider(clinic: ClinicalContext) -> RenderedResource:
    """Builds our own Organization, as `programme.yaml` describes it."""
    provider = clinic.programme.provider
    resource: Resource = {
        "resourceType": "Organization",
        "id": clinic.provider_id(),
        "identifier": [identifier(provider.identifier)],
        "active": True,
        "name": provider.name,
        "telecom": [
            {"system": "phone", "value": provider.phone, "use": "work"},
            {"system": "email", "value": provider.email, "use": "work"},
        ],
        "address": [_address(provider.address)],
    }
    return render(resource, sharing=Sharing.DEFINITION)


def build_practice(
    practice: Practice, *, sharing: Sharing, owner: ClientId | None = None
) -> RenderedResource:
    """Builds a GP practice that a referral or a source names."""
    resource: Resource = {"resourceType": "Organization", "id": practice.organization_id}
    if practice.organization_identifier is not None:
        resource["identifier"] = [identifier(practice.organization_identifier)]
    resource["name"] = practice.organization_name
    return render(resource, sharing=sharing, owner=owner)


def _address(address: Address) -> dict[str, Any]:
    written: dict[str, Any] = {"use": "work", "line": list(address.lines), "city": address.city}
    if address.state is not None:
        written["state"] = address.state
    return {**written, "postalCode": address.postal_code, "country": address.country}
