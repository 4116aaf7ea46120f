"""A sign of life, for whoever watches over the process."""

from flask import Blueprint, Response

from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk

alive = Blueprint("alive", __name__)


@alive.get("/alive")
@may(Visitor.ANYONE, audited=False)
def sign_of_life() -> Response:
    """204 while the database answers; 503 otherwise."""
    desk().store.ping()
    return Response(status=204)
