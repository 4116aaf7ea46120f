"""Starts, finds and ends the server-side sessions of users of the pages.

A session is named by a cookie and ends by idleness, by age or by logout.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import Response, g, request

from fhir_pmp.store.access.accounts import Account
from fhir_pmp.store.access.sessions import Session
from fhir_pmp.web.access.tokens import new_token, token_hash
from fhir_pmp.web.context import WebContext

SESSION_COOKIE = "__Host-session"
"""Browsers accept a `__Host-` cookie only over HTTPS, for this host alone and for every path."""

MAX_SESSION_AGE = timedelta(hours=12)
"""A session ends after this long even while it is in use."""

LAST_SEEN_INTERVAL = timedelta(seconds=30)
"""How often `last_seen_at` is written. A session may end this much too early, never too late."""


def find_session(
    web_context: WebContext, cookies: Mapping[str, str], now: datetime
) -> tuple[Account, Session] | None:
    """Returns the cookie's live session with its account, and renews its idle time."""
    token = cookies.get(SESSION_COOKIE)
    if not token:
        return None
    with web_context.store.read() as uow:
        session = uow.sessions.find(token_hash(token))
        if session is None or not _is_live(web_context, session, now):
            return None
        account = uow.accounts.get(session.account)
    if account.disabled:
        return None
    if now - session.last_seen_at >= LAST_SEEN_INTERVAL:
        with web_context.store.begin_without_publishing() as uow:
            uow.sessions.touch(session.token_hash, now=now)
    return account, session


def start_session(web_context: WebContext, account: Account, response: Response, now: datetime) -> None:
    """Starts a session and sets its cookie; ends the session that this browser had before."""
    token = new_token()
    session = Session(token_hash(token), account.id, secrets.token_urlsafe(32), now, now)
    end_session(web_context, response)
    with web_context.store.begin_without_publishing() as uow:
        uow.sessions.remove_idle(
            seen_before=now - _idle_timeout(web_context), created_before=now - MAX_SESSION_AGE
        )
        uow.sessions.add(session)
    response.set_cookie(SESSION_COOKIE, token, secure=True, httponly=True, samesite="Lax", path="/")


def end_session(web_context: WebContext, response: Response) -> None:
    """Ends this browser's session, if it has one, and deletes its cookie."""
    token = request.cookies.get(SESSION_COOKIE)
    g.pop("caller", None)
    if token:
        with web_context.store.begin_without_publishing() as uow:
            uow.sessions.remove(token_hash(token))
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Lax", path="/")


def _is_live(web_context: WebContext, session: Session, now: datetime) -> bool:
    return (
        now - session.last_seen_at < _idle_timeout(web_context) and now - session.created_at < MAX_SESSION_AGE
    )


def _idle_timeout(web_context: WebContext) -> timedelta:
    return timedelta(minutes=web_context.idle_minutes)
