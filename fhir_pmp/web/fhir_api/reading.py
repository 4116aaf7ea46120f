"""Read and vread: one resource, as it was published."""

from flask import Response, request

from fhir_pmp.errors import NotFound
from fhir_pmp.store.published import PublishedVersion
from fhir_pmp.web.access.callers import reader
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.parameters import only, read_pairs
from fhir_pmp.web.fhir_api.serving import check_accept, serve_version


class NoSuchResource(NotFound):
    """There is no such resource for this caller; another's looks the same."""


@fhir_api.get("/<fhir_type:type>/<fhir_id:id>")
@may(Visitor.EHR, Visitor.PRACTICE)
def read(type: str, id: str) -> Response:
    """The current version of a resource."""
    _check_request()
    with desk().store.read() as books:
        found = books.published.find(reader(), type, id)
    return _serve(found)


@fhir_api.get("/<fhir_type:type>/<fhir_id:id>/_history/<fhir_version:version>")
@may(Visitor.EHR, Visitor.PRACTICE)
def vread(type: str, id: str, version: str) -> Response:
    """One version of a resource."""
    _check_request()
    with desk().store.read() as books:
        found = books.published.find_version(reader(), type, id, int(version))
    return _serve(found)


def _check_request() -> None:
    only(read_pairs(request.query_string))
    check_accept()


def _serve(found: PublishedVersion | None) -> Response:
    if found is None:
        raise NoSuchResource
    return serve_version(found)
