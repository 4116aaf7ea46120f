"""A clinician's session: kept with us, known by a cookie, ended by idleness, by age, or by logging out."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import Response, g, request

from fhir_pmp.store.accounts import Account
from fhir_pmp.store.sessions import Session
from fhir_pmp.web.access.tokens import new_token, token_hash
from fhir_pmp.web.desk import Desk

COOKIE = "__Host-session"
"""A browser takes a cookie of this prefix only over a safe connection, for this host alone, for every path."""

LONGEST = timedelta(hours=12)
"""A session ends after this long, whatever is done in it."""

SEEN_EVERY = timedelta(seconds=30)
"""How often `last_seen_at` is written. A session may end this much early, never late."""


def find_session(desk: Desk, cookies: Mapping[str, str], now: datetime) -> tuple[Account, Session] | None:
    """The live session that a cookie names, and whose it is; it has been seen now."""
    token = cookies.get(COOKIE)
    if not token:
        return None
    with desk.store.read() as books:
        session = books.sessions.find(token_hash(token))
        if session is None or not _is_live(desk, session, now):
            return None
        account = books.accounts.get(session.account)
    if account.disabled:
        return None
    if now - session.last_seen_at >= SEEN_EVERY:
        with desk.store.begin_beside() as books:
            books.sessions.touch(session.token_hash, now=now)
    return account, session


def start_session(desk: Desk, account: Account, response: Response, now: datetime) -> None:
    """A new session in the response's cookie; the one this browser had before, if any, is over."""
    token = new_token()
    session = Session(token_hash(token), account.id, secrets.token_urlsafe(32), now, now)
    end_session(desk, response)
    with desk.store.begin_beside() as books:
        books.sessions.remove_idle(seen_before=now - _idle(desk), created_before=now - LONGEST)
        books.sessions.add(session)
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="Lax", path="/")


def end_session(desk: Desk, response: Response) -> None:
    """Ends this browser's session, if it has one, and takes its cookie."""
    token = request.cookies.get(COOKIE)
    g.pop("caller", None)
    if token:
        with desk.store.begin_beside() as books:
            books.sessions.remove(token_hash(token))
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")


def _is_live(desk: Desk, session: Session, now: datetime) -> bool:
    return now - session.last_seen_at < _idle(desk) and now - session.created_at < LONGEST


def _idle(desk: Desk) -> timedelta:
    return timedelta(minutes=desk.idle_minutes)
