"""Reads request bodies: checks content type and size, and parses JSON strictly.

Call these functions once the caller is identified, never before.
"""

from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from fhir_pmp.fhir.serialization.json_reader import MAX_FHIR_DEPTH, MAX_JSON_DEPTH, read_fhir_json, read_json
from fhir_pmp.web.access.policy import MAX_BODY_BYTES

FHIR_TYPES = ("application/fhir+json", "application/json")


def read_raw_fhir_body() -> bytes:
    """Returns the unparsed body. Raises UnsupportedMediaType (415), RequestEntityTooLarge (413)."""
    _require_content_type(*FHIR_TYPES)
    return _read_whole_body()


def read_form_body() -> bytes:
    """Returns the body of a form, still URL-encoded. Raises UnsupportedMediaType, RequestEntityTooLarge."""
    _require_content_type("application/x-www-form-urlencoded")
    return _read_whole_body()


def read_fhir_body() -> dict[str, Any]:
    """Parses the body as one FHIR JSON object. Raises as `read_raw_fhir_body`, and NotStrictJson."""
    return read_fhir_json(read_raw_fhir_body(), max_bytes=_max_body_bytes(), max_depth=MAX_FHIR_DEPTH)


def read_json_body() -> dict[str, Any]:
    """Parses the body as one JSON object.

    Raises UnsupportedMediaType, RequestEntityTooLarge, NotStrictJson.
    """
    _require_content_type("application/json")
    return read_json(_read_whole_body(), max_bytes=_max_body_bytes(), max_depth=MAX_JSON_DEPTH)


def _read_whole_body() -> bytes:
    data = request.get_data(cache=False)
    # A chunked body states no length: the stream ends at the limit without an error, and the rest would be lost.
    if request.content_length is None and len(data) >= _max_body_bytes():
        raise RequestEntityTooLarge
    return data


def _require_content_type(*types: str) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in types or charset != "utf-8" or request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType


def _max_body_bytes() -> int:
    return request.max_content_length or MAX_BODY_BYTES
