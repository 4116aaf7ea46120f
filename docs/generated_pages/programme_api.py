"""docs/reference/programme-openapi.json, from the views themselves."""

from fhir_pmp.web.programme_api import routes
from fhir_pmp.web.programme_api.openapi_description import description_text


def programme_api() -> str:
    """The OpenAPI document as it is served."""
    assert routes.VIEW_MODULES  # with them the description knows every address
    return description_text()
