"""Our public keys, for the EHRs that we sign in at."""

from flask import Blueprint, Response

from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk

jwks = Blueprint("jwks", __name__)

KEPT_FOR = 300
"""Seconds that an EHR may keep the set: a new key is known everywhere after this."""


@jwks.get("/.well-known/jwks.json")
@may(Visitor.ANYONE, audited=False)
def public_keys() -> Response:
    """A JWK set (RFC 7517). Nobody's data is in it."""
    response = Response(desk().jwks, content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={KEPT_FOR}"
    return response
