"""Defines the /programme blueprint: strict body parsing, decorators for OpenAPI, and URL converters."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from flask import Response, g, request
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import Forbidden
from werkzeug.routing import BaseConverter

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import MAX_FAULTS, safe_member_name
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import SourceId
from fhir_pmp.web.access.callers import client
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.field_types import PLATFORM_ID_PATTERN
from fhir_pmp.web.request_bodies import read_json_body

PREFIX = "/programme"
View = Callable[..., Response]


class BodyDoesNotMatchSchema(NotUnderstood):
    """The body does not match the schema of this address. The sender corrects the fields named."""


class QueryParametersNotAllowed(NotUnderstood):
    """The programme API takes no query parameters. The sender leaves them out."""


class StrictParser(FlaskParser):
    """Parses bodies with our strict JSON reader and reports faults in our own error format."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Any, schema: Schema) -> Any:
        """Parses the body as one JSON object and keeps it for `raw_body`."""
        g.raw_body = read_json_body()
        return g.raw_body

    def handle_error(
        self,
        error: ValidationError,
        req: Any,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raises BodyDoesNotMatchSchema with every faulty field, up to MAX_FAULTS."""
        faults = list(_faults(error.messages_dict.get("json", error.messages), ""))
        raise BodyDoesNotMatchSchema(faults=faults[:MAX_FAULTS])


class ProgrammeBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest carries no types
    """flask-smorest's blueprint with our strict parser."""

    ARGUMENTS_PARSER = StrictParser()


programme_api = ProgrammeBlueprint(
    "programme", __name__, url_prefix=PREFIX, description="The programme's platform"
)


class PlatformIdConverter(BaseConverter):
    """An id that the platform assigns."""

    regex = PLATFORM_ID_PATTERN
    part_isolating = True


class OurIdConverter(BaseConverter):
    """An id that this service assigns."""

    regex = r"[A-Za-z0-9.\-]{1,64}"


class LessonConverter(BaseConverter):
    """A lesson's number without leading zeros. Whether the programme has that lesson is checked later."""

    regex = r"(?:0|[1-9][0-9]?)"

    def to_python(self, value: str) -> int:
        """Returns the number."""
        return int(value)


CONVERTERS: Mapping[str, tuple[type[BaseConverter], Mapping[str, object]]] = {
    "own_id": (PlatformIdConverter, {"type": "string", "pattern": f"^{PLATFORM_ID_PATTERN}$"}),
    "our_id": (OurIdConverter, {"type": "string", "pattern": f"^{OurIdConverter.regex}$"}),
    "lesson": (LessonConverter, {"type": "integer", "minimum": 0, "maximum": 99}),
}
"""URL converters by name, each with its OpenAPI schema."""


def reject_query_parameters() -> None:
    """Refuses any query parameter: the caller would believe that it has an effect."""
    if request.query_string:
        raise QueryParametersNotAllowed(field="query")


programme_api.before_request(reject_query_parameters)


def operation(method: str, rule: str, **described: object) -> Callable[[View], View]:
    """Registers a view under a method and path, with its name as the OpenAPI operationId."""

    def register_view(view: View) -> View:
        known: View = programme_api.doc(operationId=view.__name__, **described)(view)
        routed: View = programme_api.route(rule, methods=[method])(known)
        return routed

    return register_view


def accepts_body(schema: type[Schema]) -> Callable[[View], View]:
    """Passes the body, validated against the schema, as the view's first argument."""
    described: Callable[[View], View] = programme_api.arguments(schema)
    return described


def returns(status: int, schema: type[Schema], what: str) -> Callable[[View], View]:
    """Describes the main response of a view in OpenAPI; the view itself returns a Response."""
    described: Callable[[View], View] = programme_api.response(status, schema, description=what)
    return described


def also_returns(status: int, schema: type[Schema], what: str) -> Callable[[View], View]:
    """Describes another response of a view in OpenAPI."""
    described: Callable[[View], View] = programme_api.alt_response(status, schema=schema, description=what)
    return described


def raw_body() -> Any:
    """Returns the parsed JSON body of this request, before validation and conversion."""
    return g.raw_body


def own_source() -> SourceId:
    """Returns the source that the caller is registered for. Raises Forbidden.

    The caller's responses are stored under this source.
    """
    found = client().source
    if found is None or found not in web_context().sources:
        raise Forbidden  # its mapping file was removed, so its ids have no meaning any more
    return found


def enrolment_source() -> SourceId:
    """Returns the source whose enrolment ids the caller uses. Raises Forbidden.

    It is the caller's own source, or the one that its mapping names in `enrolments_of`.
    """
    return web_context().sources[own_source()].enrolments_of


def build_json_response(value: object, status: int = 200) -> Response:
    """Returns the value as canonical JSON."""
    return Response(write_canonical(value), status, content_type="application/json")


def _faults(messages: object, path: str) -> Iterator[Fault]:
    """Yields marshmallow's messages as faults, with unsafe member names masked: they may be personal data."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _faults(inner, _below(path, name))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _faults(inner, path)
    else:
        yield Fault(path or "body", str(messages))


def _below(path: str, name: object) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    # Marshmallow's own path parts: `_schema` for a whole object, `key` or `value` for a member of a mapping.
    if name == "_schema" or (name in ("key", "value") and ".answers." in f".{path}"):
        return path
    return f"{path}.{safe_member_name(str(name))}" if path else safe_member_name(str(name))
