"""Generates the parts of docs/reference/fhir-mapping.md about the CapabilityStatement."""

from pathlib import Path
from zoneinfo import ZoneInfo

from docs.generated_pages.markdown import code, json_block, table
from fhir_pmp.fhir.api_responses.capability_statement import build_capability_statement
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.web.fhir_api.supported_types import STATEMENT_DATE, list_supported_types

EXAMPLE_BASE = "https://example.org/fhir-pmp"


def served_table() -> str:
    """Returns a table of resource types with their interactions and search parameters."""
    return table(
        ("type", "interactions", "search parameters"),
        (
            (one.type, ", ".join(one.interactions), ", ".join(f"{code(n)} {k}" for n, k in one.search_params))
            for one in list_supported_types()
        ),
    )


def statement_excerpt(mappings: Path) -> str:
    """Returns the CapabilityStatement of `/fhir/metadata`, shortened to one type. Raises MappingFaults."""
    clinic = load_clinic(
        mappings,
        wording=None,
        id_secret=bytes(32),
        canonical_base=EXAMPLE_BASE,
        zone=ZoneInfo("UTC"),
    )
    statement = build_capability_statement(
        clinic,
        [one for one in list_supported_types() if one.type == "Observation"],
        base_url="https://pain.example.org/fhir",
        software_version="n",
        date=STATEMENT_DATE,
    )
    return json_block(statement)
