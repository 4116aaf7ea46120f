"""Describes the programme API in OpenAPI 3.1, generated from its views."""

import json
from functools import cache
from typing import Any

from flask import Flask, Response
from flask_smorest import Api

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.programme_api.blueprint import CONVERTERS, operation, programme_api, returns
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema, OpenApiSchema

TITLE = "Programme API"
VERSION = "1"
OPENAPI = "3.1.0"
ABOUT = (
    "Send enrolments, lessons and responses, and read outcomes. Everything is named by the platform's own ids. A repeat is "
    "answered as it was the first time; other content under the same id is 409 unless `amends` is true. A refusal names the "
    "fields and who must act, never the values that were sent."
)


class ProgrammeApi(Api):  # type: ignore[misc]  # flask-smorest carries no types
    """flask-smorest's Api with our own error format."""

    ERROR_SCHEMA = ErrorSchema

    def _register_error_handlers(self) -> None:
        """Registers nothing: flask-smorest's handlers would drop `Allow` from a 405."""

    def _register_pagination_header(self) -> None:
        """Registers nothing: this API has no pagination."""


@operation("GET", "/openapi.json", security=[])
@allow(CallerKind.ANYONE, audited=False)
@returns(200, OpenApiSchema, "This description")
def describe() -> Response:
    """Read this description."""
    return Response(description_text(), content_type="application/json")


def register_openapi(app: Flask) -> ProgrammeApi:
    """Registers the blueprint with its views in the app, and builds its description."""
    app.url_map.converters |= {name: converter for name, (converter, _) in CONVERTERS.items()}
    api = ProgrammeApi(
        app,
        spec_kwargs={
            "title": TITLE,
            "version": VERSION,
            "openapi_version": OPENAPI,
            "info": {"description": ABOUT},
            "security": [{"bearer": []}],
        },
    )
    for converter, schema in CONVERTERS.values():
        api.register_converter(converter, lambda _, schema=schema: dict(schema))
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    api.register_blueprint(programme_api)
    return api


@cache
def description_text() -> str:
    """Returns the description as JSON text, as served and as copied to docs/reference."""
    spec: dict[str, Any] = register_openapi(Flask("description")).spec.to_dict()
    return json.dumps(spec, indent=2, ensure_ascii=False) + "\n"
