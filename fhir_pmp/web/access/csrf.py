"""A form that changes something proves that it was shown by us, to this browser."""

import hashlib
import hmac
import secrets

from flask import Response, g, request
from werkzeug.exceptions import Forbidden, LengthRequired

from fhir_pmp.web.access.callers import AccountCaller, identify
from fhir_pmp.web.context import web_context

FIELD = "csrf_token"
"""The hidden field of every form that posts."""

BEFORE_LOGIN_COOKIE = "__Host-before-login"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token() -> str:
    """The token for this browser's forms (Jinja: `csrf_token()`): of the session, or of the visit before login."""
    return _token(_secret() or _create_pre_login_secret())


def check_csrf() -> None:
    """Lets a form of ours pass. Raises Forbidden for any other, LengthRequired; safe methods need no proof.

    Reads the form, so the caller is known (or the page open to anyone) before this is called.
    """
    if request.method in SAFE_METHODS:
        return
    # Browsers say where a request was started; one that was started elsewhere is not a form of ours.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired  # a form cut off at the cap would look whole; browsers always say the length
    secret = _secret()
    given = request.form.get(FIELD, "")
    if secret is None or not hmac.compare_digest(given.encode(), _token(secret).encode()):
        raise Forbidden


def set_pre_login_cookie(response: Response) -> Response:
    """Sets the cookie that a form shown before login is tied to, where one was shown."""
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
