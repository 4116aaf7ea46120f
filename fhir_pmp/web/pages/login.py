"""Serves login, logout and the extension of a session; `web.access` keeps the sessions."""

from flask import g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.store.access.accounts import Account
from fhir_pmp.web.access.audit_trail import note_caller
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.login_throttle import FAILURE_WINDOW, LoginRefused, LoginThrottled, check_login
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.access.sessions import end_session, start_session
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.page_layout import render_page, seconds_left

_LABELS = {"login": "User name", "password": "Password"}
_REFUSED = "The user name or the password is wrong"
_MINUTES = round(FAILURE_WINDOW.total_seconds() / 60)
_THROTTLED = f"Too many attempts failed. Wait {_MINUTES} minutes, then try again"


@pages.get("/login")
@allow(CallerKind.ANYONE)
def login() -> ResponseReturnValue:
    """Shows the login form; redirects a user who is logged in to the worklist."""
    ended = request.args.get("ended")
    # An idle window stays on the login page, although another window of the same browser may still be in use.
    if ended is None and identify() is not None:
        return redirect(url_for("pages.worklist"), 303)
    g.caller = None
    return render_page(
        "login.html", title="Log in", form=Form(_LABELS), ended=ended, minutes=web_context().idle_minutes
    )


@pages.post("/login")
@allow(CallerKind.ANYONE, action="login")
def log_in() -> ResponseReturnValue:
    """Starts a session, or refuses without revealing whether the user name exists."""
    form = Form.from_request(_LABELS)
    password = request.form.get("password", "")  # not stripped: a space may be part of it
    form.values.pop("password")
    form.require("login", "Enter your user name")
    if not password:
        form.faults.append(("password", "Enter your password"))
    if form.faults:
        return _render_login_again(form), 400
    try:
        account = check_login(
            web_context(), form.value("login"), password, request.remote_addr or "", web_context().clock()
        )
    except LoginRefused:
        form.faults.append(("login", _REFUSED))
        return _render_login_again(form), 400
    except LoginThrottled:
        form.faults.append(("login", _THROTTLED))
        return _render_login_again(form), 429, {"Retry-After": str(round(FAILURE_WINDOW.total_seconds()))}
    return _start_session(account)


@pages.post("/logout")
@allow(CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR, action="logout")
def logout() -> ResponseReturnValue:
    """Ends the session."""
    caller = identify()
    if caller is not None:
        note_caller(caller.name)
    answer = make_response(redirect(url_for("pages.login", ended="yes"), 303))
    end_session(web_context(), answer)
    return answer


@pages.get("/stay")
@staff_may_read
def stay() -> ResponseReturnValue:
    """Extends the session of a user who types without loading pages; returns the seconds left."""
    return str(seconds_left()), {"Content-Type": "text/plain"}


def _render_login_again(form: Form) -> str:
    g.caller = None
    return render_page(
        "login.html", title="Log in", form=form, ended=None, minutes=web_context().idle_minutes
    )


def _start_session(account: Account) -> ResponseReturnValue:
    note_caller(f"account:{account.id}")
    answer = make_response(redirect(url_for("pages.worklist"), 303))
    start_session(web_context(), account, answer, web_context().clock())
    return answer
