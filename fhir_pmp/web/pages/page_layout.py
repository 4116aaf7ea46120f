"""Renders pages with the layout that all share: user, session expiry, provider and notices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g

from fhir_pmp.pathway.programme.definition import Provider
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.store.access.sessions import Session
from fhir_pmp.web.access.callers import AccountCaller
from fhir_pmp.web.access.sessions import LAST_SEEN_INTERVAL, MAX_SESSION_AGE
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.template_rendering import render_template


@dataclass(frozen=True, slots=True)
class PageLayout:
    """The values that the base template shows on every page."""

    provider: Provider
    programme: str
    user_name: str | None  # None: no user is logged in
    may_decide: bool
    expires_at: datetime | None  # when the session ends if nothing is clicked
    seconds: int  # until then
    zone: str


def render_page(template: str, *, title: str, **values: Any) -> str:
    """Renders a template within the layout.

    `title` is the page's title, `values` go to the template.
    """
    return render_template(template, title=title, layout=_layout(), **values)


def may_decide() -> bool:
    """Whether the user may decide and sees forms: a clinician."""
    caller = _caller()
    return caller is not None and caller.account.role is Role.CLINICIAN


def session_ends_at(session: Session, now: datetime, idle: timedelta) -> datetime:
    """Returns when a session that is used now will end, by idleness or by age."""
    # `last_seen_at` is written only at intervals, so the expiry follows the last written time.
    seen = now if now - session.last_seen_at >= LAST_SEEN_INTERVAL else session.last_seen_at
    return min(seen + idle, session.created_at + MAX_SESSION_AGE)


def seconds_left() -> int:
    """Returns the seconds until the user is logged out for idleness.

    0 where no user is logged in.
    """
    expires_at = _session_expiry(_caller())
    return 0 if expires_at is None else max(1, round((expires_at - web_context().clock()).total_seconds()))


def _caller() -> AccountCaller | None:
    # Only a caller that this request has already identified: an error page must not query the database.
    found = g.get("caller")
    return found if isinstance(found, AccountCaller) else None


def _session_expiry(caller: AccountCaller | None) -> datetime | None:
    idle = timedelta(minutes=web_context().idle_minutes)
    return None if caller is None else session_ends_at(caller.session, web_context().clock(), idle)


def _layout() -> PageLayout:
    clinic, caller = web_context().clinic, _caller()
    return PageLayout(
        provider=clinic.programme.provider,
        programme=clinic.programme.title,
        user_name=None if caller is None else caller.account.name,
        may_decide=may_decide(),
        expires_at=_session_expiry(caller),
        seconds=seconds_left(),
        zone=str(clinic.zone),
    )
