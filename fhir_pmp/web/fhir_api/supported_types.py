"""Lists the resource types that this API serves, as the CapabilityStatement states them."""

from fhir_pmp.fhir.api_responses.capability_statement import ServedType
from fhir_pmp.fhir.search.parameters import SEARCH_TABLE, SearchTable

READ_ONLY_TYPES = ("Bundle", "PractitionerRole")
"""Types of ours that are read by id alone. What came with a referral is read so too, by its sender."""

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_format"})
"""Parameters that shape the answer of a search."""

STATEMENT_DATE = "2026-11-22"
"""When what is served last changed: the CapabilityStatement's date."""


def list_supported_types(table: SearchTable = SEARCH_TABLE) -> tuple[ServedType, ...]:
    """The served types with their interactions and search parameters."""
    searchable = tuple(
        ServedType(
            kind, _interactions(kind), tuple((p.name, p.element.search_type) for p in parameters.values())
        )
        for kind, parameters in table.served.items()
    )
    return searchable + tuple(ServedType(kind, ("read", "vread")) for kind in READ_ONLY_TYPES)


def _interactions(kind: str) -> tuple[str, ...]:
    return ("read", "vread", "update", "search-type") if kind == "Task" else ("read", "vread", "search-type")
