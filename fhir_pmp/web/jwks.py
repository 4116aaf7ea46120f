"""Serves our public keys as a JWK set, for EHRs that we sign in at."""

from flask import Blueprint, Response

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context

jwks = Blueprint("jwks", __name__)

CACHE_SECONDS = 300
"""Seconds that an EHR may cache the set: after this long every EHR has read a new key."""


@jwks.get("/.well-known/jwks.json")
@allow(CallerKind.ANYONE, audited=False)
def public_keys() -> Response:
    """Returns the JWK set (RFC 7517). It holds no personal data."""
    response = Response(web_context().jwks, content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
