"""docs/reference/programme-openapi.json, from the views themselves."""

from fhir_pmp.web.programme_api import routes
from fhir_pmp.web.programme_api.description import description_text


def programme_api() -> str:
    """The OpenAPI document as it is served."""
    assert routes.VIEWS  # with them the description knows every address
    return description_text()
