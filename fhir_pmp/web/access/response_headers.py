"""Sets the security and caching headers of every response."""

import secrets
from urllib.parse import urlsplit

from flask import Response, g

from fhir_pmp.web.context import web_context
from fhir_pmp.web.request_ids import request_id


def csp_nonce() -> str:
    """Returns this response's CSP nonce, which every inline script and style must carry.

    In Jinja: `csp_nonce()`.
    """
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    found: str = g.csp_nonce
    return found


def set_headers(response: Response) -> Response:
    """Adds the headers; a Cache-Control that a view has set stays."""
    headers = response.headers
    headers["X-Request-Id"] = request_id()
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = (
        "same-origin"  # not no-referrer: a browser would then hide the origin of a form
    )
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    headers["Content-Security-Policy"] = _content_security_policy(response)
    headers.setdefault("Cache-Control", "no-store")
    if urlsplit(web_context().public_url).scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def _content_security_policy(response: Response) -> str:
    nothing = "default-src 'none'; base-uri 'none'; form-action {}; frame-ancestors 'none'"
    if response.mimetype != "text/html":
        return nothing.format("'none'")
    nonce = f"'nonce-{csp_nonce()}'"
    own = f"script-src 'self' {nonce}; style-src 'self' {nonce}; img-src 'self' data:; font-src 'self'"
    return f"{nothing.format(chr(39) + 'self' + chr(39))}; {own}; connect-src 'self'; manifest-src 'self'"
