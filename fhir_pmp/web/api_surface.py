"""Finds the API surface of a request by its path.

The surface decides how a caller is identified and in which format an error is answered.
"""

from enum import StrEnum

from flask import request


class ApiSurface(StrEnum):
    """The five groups of addresses that the web process serves."""

    FHIR = "fhir"  # bearer tokens; errors are OperationOutcomes
    PROGRAMME = "programme"  # bearer tokens; errors are JSON
    MONITORING = "monitoring"  # bearer tokens, or no authentication; errors are JSON
    HOOKS = "hooks"  # an HMAC signature or a Subscription's secret; errors are JSON
    PAGES = "pages"  # session cookies; errors are HTML pages


_BY_SEGMENT = {
    "fhir": ApiSurface.FHIR,
    "programme": ApiSurface.PROGRAMME,
    "hooks": ApiSurface.HOOKS,
    "health": ApiSurface.MONITORING,
    "metrics": ApiSurface.MONITORING,
}


def current_surface() -> ApiSurface:
    """Returns the surface of this request; PAGES for any path outside the others."""
    first = request.path.split("/", 2)[1] if request.path.startswith("/") else ""
    return _BY_SEGMENT.get(first, ApiSurface.PAGES)
