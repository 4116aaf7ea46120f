"""The blueprint under /programme: how a body is read, how an answer is described, what an id looks like in a path."""

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
    """The body is JSON, and not as this address takes it. The sender corrects the fields named."""


class QueryParametersNotAllowed(NotUnderstood):
    """This door takes no query parameters. The sender leaves them out."""


class StrictParser(FlaskParser):
    """Reads a body by the house's one JSON reader, and tells what does not fit as the house tells it."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Any, schema: Schema) -> Any:
        """The body as one JSON object, remembered as it was sent."""
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
        """Every field that does not fit, up to MOST_FAULTS."""
        faults = list(_faults(error.messages_dict.get("json", error.messages), ""))
        raise BodyDoesNotMatchSchema(faults=faults[:MAX_FAULTS])


class ProgrammeBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest carries no types
    """flask-smorest's blueprint with our reader."""

    ARGUMENTS_PARSER = StrictParser()


programme_api = ProgrammeBlueprint(
    "programme", __name__, url_prefix=PREFIX, description="The programme's platform"
)


class PlatformIdConverter(BaseConverter):
    """An id that the platform gives."""

    regex = PLATFORM_ID_PATTERN
    part_isolating = True


class OurIdConverter(BaseConverter):
    """An id that we give."""

    regex = r"[A-Za-z0-9.\-]{1,64}"


class LessonConverter(BaseConverter):
    """A lesson's number, spelt in one way. Whether the programme has it is not the address's to say."""

    regex = r"(?:0|[1-9][0-9]?)"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


CONVERTERS: Mapping[str, tuple[type[BaseConverter], Mapping[str, object]]] = {
    "own_id": (PlatformIdConverter, {"type": "string", "pattern": f"^{PLATFORM_ID_PATTERN}$"}),
    "our_id": (OurIdConverter, {"type": "string", "pattern": f"^{OurIdConverter.regex}$"}),
    "lesson": (LessonConverter, {"type": "integer", "minimum": 0, "maximum": 99}),
}
"""The converters of our paths, and what the description says of each."""


def reject_query_parameters() -> None:
    """A parameter that we do not know is not passed over: the caller believes that it does something."""
    if request.query_string:
        raise QueryParametersNotAllowed(field="query")


programme_api.before_request(reject_query_parameters)


def operation(method: str, rule: str, **described: object) -> Callable[[View], View]:
    """Puts a view under an address, described under the view's own name."""

    def register_view(view: View) -> View:
        known: View = programme_api.doc(operationId=view.__name__, **described)(view)
        routed: View = programme_api.route(rule, methods=[method])(known)
        return routed

    return register_view


def accepts_body(schema: type[Schema]) -> Callable[[View], View]:
    """The view is given the body, checked against the schema, as its first argument."""
    described: Callable[[View], View] = programme_api.arguments(schema)
    return described


def returns(status: int, schema: type[Schema], what: str) -> Callable[[View], View]:
    """Describes one answer of the view; the view itself returns a Response."""
    described: Callable[[View], View] = programme_api.response(status, schema, description=what)
    return described


def also_returns(status: int, schema: type[Schema], what: str) -> Callable[[View], View]:
    """Describes another answer of the view."""
    described: Callable[[View], View] = programme_api.alt_response(status, schema=schema, description=what)
    return described


def raw_body() -> Any:
    """The body of this request as it was sent, read strictly and not yet interpreted."""
    return g.raw_body


def own_source() -> SourceId:
    """Under whose name the caller's responses are kept: the source it is registered for. Raises Forbidden."""
    found = client().source
    if found is None or found not in web_context().sources:
        raise Forbidden  # its mapping is gone: nobody knows any more what its ids mean
    return found


def source() -> SourceId:
    """Whose enrolment ids the caller uses: its source's, or those of another that its source names. Raises Forbidden."""
    return web_context().sources[own_source()].enrolments_of


def build_json_response(value: object, status: int = 200) -> Response:
    """A JSON answer of our own bytes."""
    return Response(write_canonical(value), status, content_type="application/json")


def _faults(messages: object, path: str) -> Iterator[Fault]:
    """Marshmallow's messages as faults. A member's name that nobody would have chosen may be somebody's data."""
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
    # Marshmallow's own words: where a whole object is wrong, and of which half of a member of a table.
    if name == "_schema" or (name in ("key", "value") and ".answers." in f".{path}"):
        return path
    return f"{path}.{safe_member_name(str(name))}" if path else safe_member_name(str(name))
