"""Builds the CapabilityStatement of our FHIR API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.fhir.terminology.systems import FHIR_JSON
from fhir_pmp.pathway.clinical_context import ClinicalContext


@dataclass(frozen=True, slots=True)
class ServedType:
    """One resource type that the API serves."""

    type: str
    interactions: tuple[str, ...]  # "read", "vread", "search-type", "update"
    search_params: tuple[tuple[str, str], ...] = ()  # name, type: ("code", "token")


def build_capability_statement(
    clinic: ClinicalContext,
    served: Sequence[ServedType],
    *,
    base_url: str,
    software_version: str,
    date: str,
    system_interactions: Sequence[str] = ("transaction",),
) -> dict[str, Any]:
    """Builds the CapabilityStatement; `date` is the FHIR dateTime of the last change of its content."""
    security = {
        "service": [{"text": "Bearer token"}],
        "description": "A bearer token for each client, given by the programme's operator.",
    }
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{clinic.ids.canonical_base}/CapabilityStatement/fhir-pmp",
        "version": software_version,
        "name": "FhirPmp",
        "title": f"{clinic.programme.title}: outcomes and referrals",
        "status": "active",
        "date": date,
        "publisher": clinic.programme.provider.name,
        "kind": "instance",
        "software": {"name": "fhir_pmp", "version": software_version},
        "implementation": {"description": clinic.programme.title, "url": base_url},
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON],
        "rest": [
            {
                "mode": "server",
                "security": security,
                "resource": [_resource(one) for one in served],
                "interaction": [{"code": code} for code in system_interactions],
            }
        ],
    }


def _resource(served: ServedType) -> dict[str, Any]:
    written: dict[str, Any] = {
        "type": served.type,
        "interaction": [{"code": code} for code in served.interactions],
        "versioning": "versioned-update",
        "readHistory": "vread" in served.interactions,
        "updateCreate": False,
    }
    if served.search_params:
        written["searchParam"] = [{"name": name, "type": kind} for name, kind in served.search_params]
    return written
