"""Logging in and out; the session itself is kept by web/access."""

from flask import g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fhir_pmp.store.accounts import Account
from fhir_pmp.web.access.auditing import note_who
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.access.sessions import end_session, start_session
from fhir_pmp.web.access.throttle import WINDOW, LoginRefused, LoginThrottled, check_login
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page, seconds_left

_LABELS = {"login": "User name", "password": "Password"}
_REFUSED = "User name and password do not belong together"
_MINUTES = round(WINDOW.total_seconds() / 60)
_THROTTLED = f"Too many attempts failed. Wait {_MINUTES} minutes, then try again"


@pages.get("/login")
@may(Visitor.ANYONE)
def login() -> ResponseReturnValue:
    """The login form; whoever is logged in goes on to the worklist."""
    ended = request.args.get("ended")
    # A window that was left alone stays here, though another one of the same browser may still be in use.
    if ended is None and identify() is not None:
        return redirect(url_for("pages.worklist"), 303)
    g.caller = None
    return page("login.html", title="Log in", form=Form(_LABELS), ended=ended, minutes=desk().idle_minutes)


@pages.post("/login")
@may(Visitor.ANYONE, action="login")
def log_in() -> ResponseReturnValue:
    """Starts a session, or says that it will not; the same whether the user name exists or not."""
    form = Form.posted(_LABELS)
    password = request.form.get("password", "")  # as typed: a space may belong to it
    form.values.pop("password")
    form.require("login", "Enter your user name")
    if not password:
        form.faults.append(("password", "Enter your password"))
    if form.faults:
        return _again(form), 400
    try:
        account = check_login(
            desk(), form.value("login"), password, request.remote_addr or "", desk().clock()
        )
    except LoginRefused:
        form.faults.append(("login", _REFUSED))
        return _again(form), 400
    except LoginThrottled:
        form.faults.append(("login", _THROTTLED))
        return _again(form), 429, {"Retry-After": str(round(WINDOW.total_seconds()))}
    return _welcome(account)


@pages.post("/logout")
@may(Visitor.CLINICIAN, Visitor.ADMINISTRATOR, action="logout")
def logout() -> ResponseReturnValue:
    """Ends the session."""
    caller = identify()
    if caller is not None:
        note_who(caller.name)
    answer = make_response(redirect(url_for("pages.login", ended="yes"), 303))
    end_session(desk(), answer)
    return answer


@pages.get("/stay")
@reads
def stay() -> ResponseReturnValue:
    """Somebody is at work without loading a page: typing, or asked to stay logged in. How many seconds that gives."""
    return str(seconds_left()), {"Content-Type": "text/plain"}


def _again(form: Form) -> str:
    g.caller = None
    return page("login.html", title="Log in", form=form, ended=None, minutes=desk().idle_minutes)


def _welcome(account: Account) -> ResponseReturnValue:
    note_who(f"account:{account.id}")
    answer = make_response(redirect(url_for("pages.worklist"), 303))
    start_session(desk(), account, answer, desk().clock())
    return answer
