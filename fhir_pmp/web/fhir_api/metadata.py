"""Serves the CapabilityStatement, without authentication."""

from importlib.metadata import version

from flask import Response, request

from fhir_pmp.fhir.api_responses.capability_statement import build_capability_statement
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.fhir_responses import base_url, build_fhir_response, check_accept
from fhir_pmp.web.fhir_api.search_parameters import parse_query, reject_other_parameters
from fhir_pmp.web.fhir_api.supported_types import STATEMENT_DATE, list_supported_types


@fhir_api.get("/metadata")
@allow(CallerKind.ANYONE)
def metadata() -> Response:
    """Returns the CapabilityStatement."""
    reject_other_parameters(parse_query(request.query_string))
    check_accept()
    statement = build_capability_statement(
        web_context().clinic,
        list_supported_types(),
        base_url=base_url(),
        software_version=version("fhir_pmp"),
        date=STATEMENT_DATE,
    )
    return build_fhir_response(write_canonical(statement))
