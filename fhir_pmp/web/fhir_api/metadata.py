"""What this API can do, told to anyone who asks."""

from importlib.metadata import version

from flask import Response, request

from fhir_pmp.fhir.capability_statement import capability_statement
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.parameters import only, read_pairs
from fhir_pmp.web.fhir_api.served import STATED_ON, served_types
from fhir_pmp.web.fhir_api.serving import base_url, check_accept, serve


@fhir_api.get("/metadata")
@may(Visitor.ANYONE)
def metadata() -> Response:
    """The CapabilityStatement."""
    only(read_pairs(request.query_string))
    check_accept()
    statement = capability_statement(
        desk().clinic,
        served_types(),
        base_url=base_url(),
        software_version=version("fhir_pmp"),
        date=STATED_ON,
    )
    return serve(write_canonical(statement))
