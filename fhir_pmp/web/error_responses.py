"""Turns errors into responses: an OperationOutcome, JSON or an HTML page, by API surface."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from flask import Flask, Response, current_app, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException

from fhir_pmp.errors import Fault, FhirPmpError, NotAllowed, NotFound, NotUnderstood, Refused, TryLater
from fhir_pmp.fhir.api_responses.operation_outcome import IssueType, issues_of, write_operation_outcome
from fhir_pmp.fhir.serialization.json_reader import BodyTooLarge, NotStrictJson
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.terminology.systems import FHIR_JSON
from fhir_pmp.logs import error_location
from fhir_pmp.store.errors import ChangedMeanwhile
from fhir_pmp.web.api_surface import ApiSurface, current_surface
from fhir_pmp.web.request_ids import request_id

RETRY_AFTER_SECONDS = 5
"""The Retry-After of a 503 whose error names no delay of its own."""


@dataclass(frozen=True, slots=True)
class ErrorDescription:
    """An error as answered: HTTP status, issue type, faults by field, who must act."""

    status: int
    kind: IssueType
    faults: tuple[Fault, ...]
    who_acts: str
    headers: Mapping[str, str] = field(default_factory=dict)


class PreconditionMissing(NotUnderstood):
    """A change must name its base version in If-Match. The caller reads the resource and tries again."""


class IdempotencyKeyReused(NotUnderstood):
    """An idempotency key belongs to one body for ever. The sender uses a new key for a new body."""


SENDER_CORRECTS = "The sender corrects it and sends it again."
CALLER_CHECKS = "The caller checks the name."
CALLER_LOOKS = "The caller looks at the record as it is now."
CALLER_WAITS = "Nobody: wait and send the same again."
PERSON_LOOKS = "A person of the clinic looks at it."
OPERATOR_LOOKS = "The operator looks it up by the reference number."
OPERATOR_REGISTERS = "The operator of this service registers the caller or gives it the right."

# The first class that fits counts, so a subclass comes before its base class. A subclass never changes who acts.
_OWN_ERRORS: tuple[tuple[type[FhirPmpError], int, IssueType, str], ...] = (
    (BodyTooLarge, 413, IssueType.TOO_LONG, SENDER_CORRECTS),
    (NotStrictJson, 400, IssueType.STRUCTURE, SENDER_CORRECTS),
    (PreconditionMissing, 400, IssueType.REQUIRED, SENDER_CORRECTS),
    (IdempotencyKeyReused, 422, IssueType.CONFLICT, SENDER_CORRECTS),
    (NotUnderstood, 400, IssueType.INVALID, SENDER_CORRECTS),
    (NotFound, 404, IssueType.NOT_FOUND, CALLER_CHECKS),
    (ChangedMeanwhile, 412, IssueType.CONFLICT, CALLER_LOOKS),
    (NotAllowed, 409, IssueType.BUSINESS_RULE, CALLER_LOOKS),
    (TryLater, 503, IssueType.TRANSIENT, CALLER_WAITS),
    (Refused, 502, IssueType.PROCESSING, PERSON_LOOKS),
)

_HTTP_ERRORS: Mapping[int, tuple[IssueType, str, str]] = {
    400: (IssueType.INVALID, "the request is not understood", SENDER_CORRECTS),
    401: (IssueType.LOGIN, "the caller is not authenticated", OPERATOR_REGISTERS),
    403: (IssueType.FORBIDDEN, "the caller may not do this", OPERATOR_REGISTERS),
    404: (IssueType.NOT_FOUND, "there is nothing under this address", CALLER_CHECKS),
    405: (IssueType.NOT_SUPPORTED, "this address does not support this method", SENDER_CORRECTS),
    406: (IssueType.NOT_SUPPORTED, "it is not available in this format", SENDER_CORRECTS),
    411: (IssueType.REQUIRED, "the request must state the length of its body", SENDER_CORRECTS),
    413: (IssueType.TOO_LONG, "the body is larger than this address accepts", SENDER_CORRECTS),
    415: (IssueType.NOT_SUPPORTED, "this address does not accept this content type", SENDER_CORRECTS),
    422: (IssueType.INVALID, "the body does not match what this address accepts", SENDER_CORRECTS),
    429: (IssueType.THROTTLED, "too many attempts", CALLER_WAITS),
}


def describe_error(error: BaseException) -> ErrorDescription:
    """Describes an error for the caller.

    An unexpected error is logged with its place; the caller gets its reference number only.
    """
    if isinstance(error, FhirPmpError):
        return _describe_own_error(error)
    if isinstance(error, HTTPException) and (error.code or 500) < 500:
        return _describe_http_error(error)
    structlog.get_logger().error(
        "unexpected",
        reference=request_id(),
        place=error_location(error),
        route=str(request.url_rule),
        method=request.method,
    )
    what = f"something went wrong on our side; its reference number is {request_id()}"
    return ErrorDescription(500, IssueType.EXCEPTION, (Fault("", what),), OPERATOR_LOOKS)


def build_error_response(description: ErrorDescription) -> Response:
    """Builds the response in the format of the API surface that was called."""
    if current_surface() is ApiSurface.FHIR:
        body, kind = write_operation_outcome(issues_of(description.faults, description.kind)), FHIR_JSON
    elif current_surface() in (ApiSurface.PROGRAMME, ApiSurface.MONITORING, ApiSurface.HOOKS):
        body, kind = write_canonical(error_json(description)), "application/json"
    else:
        body, kind = _render_error_page(description).encode(), "text/html; charset=utf-8"
    return Response(body, description.status, dict(description.headers), content_type=kind)


def error_json(description: ErrorDescription) -> dict[str, object]:
    """Returns the error as the JSON object of the programme API."""
    faults = [{"field": fault.field, "what": fault.what} for fault in description.faults]
    return {"status": description.status, "faults": faults, "who_acts": description.who_acts}


def install_errors(app: Flask, render_page: Callable[[ErrorDescription], str] | None = None) -> None:
    """Registers the handler for every error of the app.

    Call it after the blueprints are registered: flask-smorest registers handlers of its own, and the last one counts.
    `render_page` renders the HTML page of an error; without it a plain page is shown.
    """
    if render_page is not None:
        app.extensions[_ERROR_PAGE] = render_page
    for kind in (FhirPmpError, HTTPException, Exception):
        app.register_error_handler(kind, lambda error: build_error_response(describe_error(error)))


_ERROR_PAGE = "fhir_pmp_error_page"


def _describe_own_error(error: FhirPmpError) -> ErrorDescription:
    for kind, status, issue, who_acts in _OWN_ERRORS:
        if isinstance(error, kind):
            headers = {}
            if isinstance(error, TryLater):
                headers["Retry-After"] = str(max(1, round(error.after_seconds or RETRY_AFTER_SECONDS)))
            return ErrorDescription(status, issue, error.faults, who_acts, headers)
    raise TypeError(f"{type(error).__name__} is none of the five kinds of error")


def _describe_http_error(error: HTTPException) -> ErrorDescription:
    status = error.code or 500
    issue, what, who_acts = _HTTP_ERRORS.get(status, _HTTP_ERRORS[400])
    kept = ("Allow", "WWW-Authenticate", "Retry-After", "Location")
    headers = {name: value for name, value in error.get_headers() if name in kept}
    # A library's own message may repeat what was sent, so ours replaces it. Marshmallow's faults name fields only.
    faults = tuple(_marshmallow_faults(getattr(error, "data", None))) or (Fault("", what),)
    return ErrorDescription(status, issue, faults, who_acts, headers)


def _marshmallow_faults(data: object) -> Iterator[Fault]:
    messages = data.get("messages") if isinstance(data, Mapping) else None
    for place in messages.values() if isinstance(messages, Mapping) else ():
        yield from _flattened(place, "")


def _flattened(messages: object, path: str) -> Iterator[Fault]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            at = f"[{name}]" if isinstance(name, int) else str(name)
            yield from _flattened(
                inner, f"{path}{at}" if isinstance(name, int) or not path else f"{path}.{at}"
            )
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flattened(inner, path)
    else:
        yield Fault(path, str(messages))


def _render_error_page(description: ErrorDescription) -> str:
    render_page: Callable[[ErrorDescription], str] = current_app.extensions.get(
        _ERROR_PAGE, _render_plain_page
    )
    try:
        return render_page(description)
    except Exception as error:  # noqa: BLE001 - a failing error page must not hide the error
        structlog.get_logger().error("error page", reference=request_id(), place=error_location(error))
        return _render_plain_page(description)


def _render_plain_page(description: ErrorDescription) -> str:
    faults = "".join(f"<li>{escape(str(fault))}</li>" for fault in description.faults)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not done</title></head>'
        f"<body><main><h1>This was not done</h1><ul>{faults}</ul><p>{escape(description.who_acts)}</p></main></body></html>"
    )
