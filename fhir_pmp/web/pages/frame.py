"""What stands around every page: who is logged in and until when, whose service this is, what it is not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import g

from fhir_pmp.pathway.programme import Provider
from fhir_pmp.store.accounts import Role
from fhir_pmp.store.sessions import Session
from fhir_pmp.web.access.callers import AccountCaller
from fhir_pmp.web.access.sessions import LONGEST, SEEN_EVERY
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.templates import render


@dataclass(frozen=True, slots=True)
class Frame:
    """The page around the content."""

    provider: Provider
    programme: str
    who: str | None  # None: nobody is logged in
    may_decide: bool
    until: datetime | None  # when the session ends if nothing is clicked
    seconds: int  # until then
    zone: str


def page(template: str, *, title: str, **values: Any) -> str:
    """The template in its frame. `title` is the page's own; values are the template's."""
    return render(template, title=title, frame=_frame(), **values)


def may_decide() -> bool:
    """Whether forms are shown to whoever is logged in."""
    caller = _caller()
    return caller is not None and caller.account.role is Role.CLINICIAN


def session_ends_at(session: Session, now: datetime, idle: timedelta) -> datetime:
    """When a session that was used now ends by itself: idle, or too old."""
    # Use is written down at most every so often, so the end follows the last one written.
    seen = now if now - session.last_seen_at >= SEEN_EVERY else session.last_seen_at
    return min(seen + idle, session.created_at + LONGEST)


def seconds_left() -> int:
    """How long whoever is logged in stays so without doing anything; 0: nobody is."""
    until = _until(_caller())
    return 0 if until is None else max(1, round((until - desk().clock()).total_seconds()))


def _caller() -> AccountCaller | None:
    # Only what this request has found out already: an error page asks the database nothing.
    found = g.get("caller")
    return found if isinstance(found, AccountCaller) else None


def _until(caller: AccountCaller | None) -> datetime | None:
    idle = timedelta(minutes=desk().idle_minutes)
    return None if caller is None else session_ends_at(caller.session, desk().clock(), idle)


def _frame() -> Frame:
    clinic, caller = desk().clinic, _caller()
    return Frame(
        provider=clinic.programme.provider,
        programme=clinic.programme.title,
        who=None if caller is None else caller.account.name,
        may_decide=may_decide(),
        until=_until(caller),
        seconds=seconds_left(),
        zone=str(clinic.zone),
    )
