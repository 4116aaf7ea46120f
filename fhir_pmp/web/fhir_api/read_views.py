"""Serves FHIR read and vread: one resource, as it was published."""

from flask import Response, request

from fhir_pmp.errors import NotFound
from fhir_pmp.store.versions.published_versions import PublishedVersion
from fhir_pmp.web.access.callers import reader
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.fhir_responses import build_version_response, check_accept
from fhir_pmp.web.fhir_api.search_parameters import parse_query, reject_other_parameters


class NoSuchResource(NotFound):
    """There is no such resource that this caller may read."""


@fhir_api.get("/<fhir_type:type>/<fhir_id:id>")
@allow(CallerKind.EHR, CallerKind.PRACTICE)
def read(type: str, id: str) -> Response:
    """Returns the current version of a resource."""
    _check_request()
    with web_context().store.read() as uow:
        found = uow.published.find(reader(), type, id)
    return _respond(found)


@fhir_api.get("/<fhir_type:type>/<fhir_id:id>/_history/<fhir_version:version>")
@allow(CallerKind.EHR, CallerKind.PRACTICE)
def vread(type: str, id: str, version: str) -> Response:
    """Returns one version of a resource."""
    _check_request()
    with web_context().store.read() as uow:
        found = uow.published.find_version(reader(), type, id, int(version))
    return _respond(found)


def _check_request() -> None:
    reject_other_parameters(parse_query(request.query_string))
    check_accept()


def _respond(found: PublishedVersion | None) -> Response:
    if found is None:
        raise NoSuchResource
    return build_version_response(found)
