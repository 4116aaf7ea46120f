"""Which door a request came to, by its path: it decides how a caller is known and how an error is told."""

from enum import StrEnum

from flask import request


class ApiSurface(StrEnum):
    """The doors of the web process."""

    FHIR = "fhir"  # bearer tokens; errors are OperationOutcomes
    PROGRAMME = "programme"  # bearer tokens; errors are JSON
    MONITORING = "monitoring"  # bearer tokens, or nobody in particular; errors are JSON
    HOOKS = "hooks"  # a signature or a Subscription's secret; errors are JSON
    PAGES = "pages"  # sessions; errors are pages


_BY_SEGMENT = {
    "fhir": ApiSurface.FHIR,
    "programme": ApiSurface.PROGRAMME,
    "hooks": ApiSurface.HOOKS,
    "health": ApiSurface.MONITORING,
    "metrics": ApiSurface.MONITORING,
}


def current_surface() -> ApiSurface:
    """The door of this request. Whatever is under none of the others is a page's."""
    first = request.path.split("/", 2)[1] if request.path.startswith("/") else ""
    return _BY_SEGMENT.get(first, ApiSurface.PAGES)
