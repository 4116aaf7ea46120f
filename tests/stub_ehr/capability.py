"""What the server says it can do, in the shape of HAPI's CapabilityStatement."""

from typing import Any

from tests.stub_ehr.searching import PARAMETERS

KINDS = (
    *PARAMETERS,
    "AllergyIntolerance",
    "Composition",
    "Medication",
    "MedicationStatement",
    "Provenance",
    "AuditEvent",
)
_INTERACTIONS = ("read", "vread", "update", "delete", "history-instance", "create", "search-type")


def capability_statement(base: str, *, client_ids: bool, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The CapabilityStatement for the types that are taken."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01T00:00:00Z",
        "publisher": "Not provided",
        "kind": "instance",
        "software": {"name": "Stub EHR of the fhir_pmp tests"},
        "implementation": {"description": "A small FHIR server for tests", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "resource": [_resource(kind, client_ids) for kind in kinds],
            "interaction": [{"code": "transaction"}, {"code": "history-system"}],
        }],
    }  # fmt: skip


def _resource(kind: str, client_ids: bool) -> dict[str, Any]:
    names = ("_id", "_lastUpdated", "identifier", *PARAMETERS.get(kind, ()))
    return {
        "type": kind,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        # HAPI takes ids of ours and does not say so; a server that refuses them says that it does.
        **({} if client_ids else {"updateCreate": False}),
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple",
        "searchParam": [{"name": name, "type": "token"} for name in names],
    }
