"""The part of docs/reference/fhir-mapping.md that the CapabilityStatement states."""

from pathlib import Path
from zoneinfo import ZoneInfo

from docs.generated_pages.markdown import code, json_block, table
from fhir_pmp.fhir.api_responses.capability_statement import build_capability_statement
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.web.fhir_api.supported_types import STATEMENT_DATE, list_supported_types

EXAMPLE_BASE = "https://example.org/fhir-pmp"


def served_table() -> str:
    """What can be done with each type, and what it is searched by."""
    return table(
        ("type", "interactions", "search parameters"),
        (
            (one.type, ", ".join(one.interactions), ", ".join(f"{code(n)} {k}" for n, k in one.search_params))
            for one in list_supported_types()
        ),
    )


def statement_excerpt(mappings: Path) -> str:
    """The CapabilityStatement as `/fhir/metadata` gives it, with one type left in. Raises MappingFaults."""
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
