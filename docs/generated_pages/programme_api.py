"""Generates docs/reference/programme-openapi.json from the views."""

from fhir_pmp.web.programme_api import routes
from fhir_pmp.web.programme_api.openapi_description import description_text


def programme_api() -> str:
    """Returns the OpenAPI document as it is served."""
    assert routes.VIEW_MODULES  # importing these modules registers every address
    return description_text()
