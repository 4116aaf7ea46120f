"""A published version as an HTTP answer: its bytes as published, its version, its moment."""

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
    """Our FHIR address as others reach it."""
    return web_context().public_url + PREFIX


def check_accept() -> None:
    """Raises NotAcceptable (406) for a caller that takes no JSON. `_format` overrules the header."""
    if "_format" in request.args or not request.accept_mimetypes:
        return
    # A type's parameters (fhirVersion=4.0) say nothing against it.
    wanted = {
        kind.partition(";")[0].strip().lower() for kind, quality in request.accept_mimetypes if quality > 0
    }
    if wanted.isdisjoint(_ACCEPTABLE_TYPES):
        raise NotAcceptable


def note_versions(*versions: PublishedVersion) -> None:
    """Names the versions and the people they are about for the audit."""
    note_resources(version.reference for version in versions)
    note_persons(version.person for version in versions if version.person is not None)


def version_headers(found: PublishedVersion) -> dict[str, str]:
    """What a client needs to ask for changes, or to make one: version and moment."""
    moment = found.last_updated.astimezone(UTC).replace(microsecond=0)
    return {"ETag": f'W/"{found.version}"', "Last-Modified": format_datetime(moment, usegmt=True)}


def build_version_response(found: PublishedVersion) -> Response:
    """The resource, or 304 where If-None-Match says that the caller has this version."""
    note_versions(found)
    if request.if_none_match.contains_weak(str(found.version)):
        return Response(status=304, headers=version_headers(found))
    return build_fhir_response(found.content, headers=version_headers(found))


def build_fhir_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """FHIR JSON."""
    return Response(body, status, headers, content_type=FHIR_JSON)
