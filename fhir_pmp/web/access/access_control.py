"""Identifies and authorizes the caller of every request before its body is read."""

from time import perf_counter

import structlog
from flask import Flask, Response, current_app, g, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from fhir_pmp.web.access.audit_trail import write_audit
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.csrf import check_csrf, csrf_token, set_pre_login_cookie
from fhir_pmp.web.access.policy import CallerKind, find_policy
from fhir_pmp.web.access.response_headers import csp_nonce, set_headers
from fhir_pmp.web.api_surface import ApiSurface, current_surface
from fhir_pmp.web.request_ids import request_id

LOGIN_PATH = "/login"
"""Where a request to a page without a session is redirected."""


def install_access(app: Flask) -> None:
    """Adds authorization before every view, and audit and headers after it.

    Call it before any other request hook is added.
    """
    app.before_request(authorize_request)
    app.after_request(finish_response)
    app.jinja_env.globals.update(csp_nonce=csp_nonce, csrf_token=csrf_token)


def authorize_request() -> ResponseReturnValue | None:
    """Lets the request pass, or redirects it to the login page. Raises Unauthorized, Forbidden."""
    g.began = perf_counter()
    if request.endpoint is None:
        return None  # Flask answers 404 or 405; there is no view to protect
    policy = find_policy(current_app, request.endpoint, request.method)
    if policy is None:
        raise Forbidden  # the view has no policy, so it is closed
    caller = identify()
    if CallerKind.ANYONE not in policy.callers:
        if caller is None:
            return _challenge()
        if caller.caller_kind not in policy.callers:
            raise Forbidden
    request.max_content_length = policy.max_body_bytes
    if current_surface() is ApiSurface.PAGES:
        check_csrf()
    return None


def finish_response(response: Response) -> Response:
    """Adds the headers and writes the audit row.

    Answers 503 where the row could not be written.
    """
    finished = set_headers(write_audit(set_pre_login_cookie(response)))
    structlog.get_logger().info(
        "request",
        request_id=request_id(),
        route=str(request.url_rule),
        method=request.method,
        status=finished.status_code,
        milliseconds=round((perf_counter() - g.get("began", perf_counter())) * 1000),
    )
    return finished


def _challenge() -> ResponseReturnValue:
    if current_surface() is ApiSurface.PAGES:
        return redirect(LOGIN_PATH, 303)
    raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "fhir_pmp"}))
