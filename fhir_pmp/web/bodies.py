"""A request's body, read once the caller is known: the right type, not too large, and strictly JSON."""

from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from fhir_pmp.fhir.json_reader import DEEPEST_FHIR, DEEPEST_JSON, read_json, read_strict
from fhir_pmp.web.access.policy import LARGEST_BODY

FHIR_TYPES = ("application/fhir+json", "application/json")


def raw_fhir_body() -> bytes:
    """The body as it came. Raises UnsupportedMediaType (415), RequestEntityTooLarge (413)."""
    _must_be(*FHIR_TYPES)
    return _whole_body()


def form_body() -> bytes:
    """The body as a form sends it, still encoded. Raises UnsupportedMediaType, RequestEntityTooLarge."""
    _must_be("application/x-www-form-urlencoded")
    return _whole_body()


def fhir_body() -> dict[str, Any]:
    """The body as one FHIR JSON object. Raises as `raw_fhir_body`, and NotStrictJson."""
    return read_strict(raw_fhir_body(), max_bytes=_largest(), max_depth=DEEPEST_FHIR)


def json_body() -> dict[str, Any]:
    """The body as one JSON object. Raises UnsupportedMediaType, RequestEntityTooLarge, NotStrictJson."""
    _must_be("application/json")
    return read_json(_whole_body(), max_bytes=_largest(), max_depth=DEEPEST_JSON)


def _whole_body() -> bytes:
    data = request.get_data(cache=False)
    # A body sent in chunks says no length: the stream ends at the cap without a word, and the rest would be lost.
    if request.content_length is None and len(data) >= _largest():
        raise RequestEntityTooLarge
    return data


def _must_be(*types: str) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in types or charset != "utf-8" or request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType


def _largest() -> int:
    return request.max_content_length or LARGEST_BODY
