"""Builds HTTP responses from published versions, byte for byte as published."""

from datetime import UTC
from email.utils import format_datetime

from flask import Response, request
from werkzeug.exceptions import NotAcceptable

from fhir_pmp.fhir.terminology.systems import FHIR_JSON
from fhir_pmp.store.versions.published_versions import PublishedVersion
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.fhir_api.blueprint import PREFIX

_ACCEPTABLE_TYPES = frozenset({FHIR_JSON, "application/json", "text/json", "application/*", "*/*"})


def base_url() -> str:
    """Returns our FHIR base URL as others reach it."""
    return web_context().public_url + PREFIX


def check_accept() -> None:
    """Raises NotAcceptable (406) for a caller that does not accept JSON. `_format` overrides the header."""
    if "_format" in request.args or not request.accept_mimetypes:
        return
    # Parameters of a media type (fhirVersion=4.0) do not matter here.
    wanted = {
        kind.partition(";")[0].strip().lower() for kind, quality in request.accept_mimetypes if quality > 0
    }
    if wanted.isdisjoint(_ACCEPTABLE_TYPES):
        raise NotAcceptable


def note_versions(*versions: PublishedVersion) -> None:
    """Notes the versions, and the persons they are about, for the audit."""
    note_resources(version.reference for version in versions)
    note_persons(version.person for version in versions if version.person is not None)


def version_headers(found: PublishedVersion) -> dict[str, str]:
    """Returns the ETag and Last-Modified headers of a version."""
    moment = found.last_updated.astimezone(UTC).replace(microsecond=0)
    return {"ETag": f'W/"{found.version}"', "Last-Modified": format_datetime(moment, usegmt=True)}


def build_version_response(found: PublishedVersion) -> Response:
    """Returns the resource, or 304 where If-None-Match names this version."""
    note_versions(found)
    if request.if_none_match.contains_weak(str(found.version)):
        return Response(status=304, headers=version_headers(found))
    return build_fhir_response(found.content, headers=version_headers(found))


def build_fhir_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns the bytes as application/fhir+json."""
    return Response(body, status, headers, content_type=FHIR_JSON)
