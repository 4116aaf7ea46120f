"""Stores login sessions, by the hash of their token."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.store.tables.access import sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A login session. Only the hash of the cookie's token is stored."""

    token_hash: str  # sha256 hex
    account: str
    csrf_secret: str
    created_at: datetime
    last_seen_at: datetime


class Sessions:
    """Sessions by the hash of their token."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        """Stores a new session."""
        self._connection.execute(
            sa.insert(sessions).values(
                token_hash=session.token_hash,
                account=session.account,
                csrf_secret=session.csrf_secret,
                created_at=session.created_at,
                last_seen_at=session.last_seen_at,
            )
        )

    def find(self, token_hash: str) -> Session | None:
        """Returns the session of this token."""
        query = sa.select(sessions).where(sessions.c.token_hash == token_hash)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Session(**row._mapping)

    def touch(self, token_hash: str, *, now: datetime) -> None:
        """Records a request in the session."""
        self._connection.execute(
            sa.update(sessions).where(sessions.c.token_hash == token_hash).values(last_seen_at=now)
        )

    def remove(self, token_hash: str) -> None:
        """Ends the session."""
        self._connection.execute(sa.delete(sessions).where(sessions.c.token_hash == token_hash))

    def remove_all(self, account: str) -> None:
        """Ends every session of an account."""
        self._connection.execute(sa.delete(sessions).where(sessions.c.account == account))

    def remove_idle(self, *, seen_before: datetime, created_before: datetime) -> int:
        """Ends sessions idle or open for too long; returns how many."""
        ended = self._connection.execute(
            sa.delete(sessions).where(
                sa.or_(sessions.c.last_seen_at < seen_before, sessions.c.created_at < created_before)
            )
        )
        return ended.rowcount
