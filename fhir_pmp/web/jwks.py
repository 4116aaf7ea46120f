"""Our public keys, for the EHRs that we sign in at."""

from flask import Blueprint, Response

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context

jwks = Blueprint("jwks", __name__)

CACHE_SECONDS = 300
"""Seconds that an EHR may keep the set: a new key is known everywhere after this."""


@jwks.get("/.well-known/jwks.json")
@allow(CallerKind.ANYONE, audited=False)
def public_keys() -> Response:
    """A JWK set (RFC 7517). Nobody's data is in it."""
    response = Response(web_context().jwks, content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
