"""Protects forms against cross-site request forgery with a token tied to the browser."""

import hashlib
import hmac
import secrets

from flask import Response, g, request
from werkzeug.exceptions import Forbidden, LengthRequired

from fhir_pmp.web.access.callers import AccountCaller, identify
from fhir_pmp.web.context import web_context

FIELD = "csrf_token"
"""The name of the hidden field in every form that posts."""

BEFORE_LOGIN_COOKIE = "__Host-before-login"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token() -> str:
    """Returns the token for this browser's forms (in Jinja: `csrf_token()`).

    It is tied to the session; before login, to a cookie of its own.
    """
    return _token(_secret() or _create_pre_login_secret())


def check_csrf() -> None:
    """Checks the token of a posted form. Raises Forbidden, LengthRequired; safe methods need no token.

    It reads the form, so call it only after the caller is authorized.
    """
    if request.method in SAFE_METHODS:
        return
    # A browser names the origin of a request; a cross-site request does not come from one of our forms.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired  # a form cut off at the size limit would look complete; browsers always state the length
    secret = _secret()
    given = request.form.get(FIELD, "")
    if secret is None or not hmac.compare_digest(given.encode(), _token(secret).encode()):
        raise Forbidden


def set_pre_login_cookie(response: Response) -> Response:
    """Sets the cookie of forms shown before login, where this request showed one."""
    if "pre_login_secret" in g:
        response.set_cookie(
            BEFORE_LOGIN_COOKIE, g.pre_login_secret, secure=True, httponly=True, samesite="Lax", path="/"
        )
    return response


def _secret() -> str | None:
    match identify():
        case AccountCaller(session=session):
            return session.csrf_secret
        case _:
            return g.get("pre_login_secret") or request.cookies.get(BEFORE_LOGIN_COOKIE)


def _create_pre_login_secret() -> str:
    g.pre_login_secret = secrets.token_urlsafe(32)
    found: str = g.pre_login_secret
    return found


def _token(secret: str) -> str:
    return hmac.new(web_context().secret_key, b"form|" + secret.encode(), hashlib.sha256).hexdigest()
