"""Lists the resource types that this API serves, as the CapabilityStatement states them."""

from fhir_pmp.fhir.api_responses.capability_statement import ServedType
from fhir_pmp.fhir.search.parameters import SEARCH_TABLE, SearchTable

READ_ONLY_TYPES = ("Bundle", "PractitionerRole")
"""Types that can be read by id but not searched.

The practice that sent a referral reads its other resources by id as well.
"""

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_format"})
"""Parameters that shape the response of a search."""

STATEMENT_DATE = "2026-11-22"
"""The date of the CapabilityStatement: when the list of served types last changed."""


def list_supported_types(table: SearchTable = SEARCH_TABLE) -> tuple[ServedType, ...]:
    """Returns the served types with their interactions and search parameters."""
    searchable = tuple(
        ServedType(
            kind, _interactions(kind), tuple((p.name, p.element.search_type) for p in parameters.values())
        )
        for kind, parameters in table.served.items()
    )
    return searchable + tuple(ServedType(kind, ("read", "vread")) for kind in READ_ONLY_TYPES)


def _interactions(kind: str) -> tuple[str, ...]:
    return ("read", "vread", "update", "search-type") if kind == "Task" else ("read", "vread", "search-type")
