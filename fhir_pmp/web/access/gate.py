"""The gate every request passes: who calls and whether they may is settled before a body is read."""

from time import perf_counter

import structlog
from flask import Flask, Response, current_app, g, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from fhir_pmp.web.access.auditing import write_audit
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.csrf import check_csrf, csrf_token, keep_visit
from fhir_pmp.web.access.headers import csp_nonce, set_headers
from fhir_pmp.web.access.policy import Visitor, policy_of
from fhir_pmp.web.doors import Door, door
from fhir_pmp.web.request_ids import request_id

LOGIN_PATH = "/login"
"""Where somebody without a session is sent; the pages room serves it."""


def install_access(app: Flask) -> None:
    """Puts the gate before every view, and audit and headers after it. Call it before any other hook is added."""
    app.before_request(admit)
    app.after_request(release)
    app.jinja_env.globals.update(csp_nonce=csp_nonce, csrf_token=csrf_token)


def admit() -> ResponseReturnValue | None:
    """Lets the request through to its view, sends it to the login page, or raises Unauthorized or Forbidden."""
    g.began = perf_counter()
    if request.endpoint is None:
        return None  # Flask answers 404 or 405; there is no view to protect
    policy = policy_of(current_app, request.endpoint, request.method)
    if policy is None:
        raise Forbidden  # nobody said who may call it
    caller = identify()
    if Visitor.ANYONE not in policy.visitors:
        if caller is None:
            return _ask_who()
        if caller.visitor not in policy.visitors:
            raise Forbidden
    request.max_content_length = policy.largest_body
    if door() is Door.PAGES:
        check_csrf()
    return None


def release(response: Response) -> Response:
    """The answer with its headers, once the audit has it; a 503 where the audit could not be written."""
    released = set_headers(write_audit(keep_visit(response)))
    structlog.get_logger().info(
        "request",
        request_id=request_id(),
        route=str(request.url_rule),
        method=request.method,
        status=released.status_code,
        milliseconds=round((perf_counter() - g.get("began", perf_counter())) * 1000),
    )
    return released


def _ask_who() -> ResponseReturnValue:
    if door() is Door.PAGES:
        return redirect(LOGIN_PATH, 303)
    raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "fhir_pmp"}))
