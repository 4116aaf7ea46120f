"""People who log in, their failed attempts, and their sessions. Secrets are kept as hashes only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.errors import AlreadyStored, NotStored
from fhir_pmp.store.tables.access import accounts, login_attempts, sessions


class Role(StrEnum):
    """What somebody may do: a clinician signs and accepts, an administrator reads."""

    CLINICIAN = "clinician"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in."""

    id: str
    login: str
    name: str
    role: Role
    registration: str | None  # as it stands under a letter
    password_hash: str  # argon2
    disabled: bool
    failed_logins: int  # since the last good one
    locked_until: datetime | None


class Accounts:
    """Accounts by login; a login is one whatever its case."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(
        self,
        account: str,
        *,
        login: str,
        name: str,
        role: Role,
        registration: str | None,
        password_hash: str,
        now: datetime,
    ) -> Account:
        """Keeps a new account. Raises AlreadyStored for a login that exists."""
        if self.find_by_login(login) is not None:
            raise AlreadyStored("this login exists", field="login")
        self._connection.execute(
            sa.insert(accounts).values(
                id=account,
                login=login.casefold(),
                name=name,
                role=role.value,
                registration=registration,
                password_hash=password_hash,
                disabled=False,
                added_at=now,
                failed_logins=0,
            )
        )
        return self.get(account)

    def get(self, account: str) -> Account:
        """The account. Raises NotStored."""
        found = self._one(accounts.c.id == account)
        if found is None:
            raise NotStored("no such account", field="account")
        return found

    def find_by_login(self, login: str) -> Account | None:
        """The account of this login."""
        return self._one(accounts.c.login == login.casefold())

    def list_all(self) -> list[Account]:
        """Every account, by login."""
        return [
            _account(row) for row in self._connection.execute(sa.select(accounts).order_by(accounts.c.login))
        ]

    def set_password(self, account: str, password_hash: str) -> None:
        """Keeps another password's hash and opens a lock."""
        self._set(account, password_hash=password_hash, failed_logins=0, locked_until=None)

    def set_disabled(self, account: str, disabled: bool) -> None:
        """Shuts or opens the account; its sessions end with it."""
        self._set(account, disabled=disabled)
        if disabled:
            self._connection.execute(sa.delete(sessions).where(sessions.c.account == account))

    def note_attempt(
        self, login: str, address: str, *, succeeded: bool, now: datetime, lock_until: datetime | None = None
    ) -> None:
        """Keeps a login attempt, also of an unknown login; a failed one may lock the account."""
        self._connection.execute(
            sa.insert(login_attempts).values(
                login=login.casefold(), address=address, at=now, succeeded=succeeded
            )
        )
        mine = sa.update(accounts).where(accounts.c.login == login.casefold())
        if succeeded:
            self._connection.execute(mine.values(failed_logins=0, locked_until=None))
        else:
            locked = {} if lock_until is None else {"locked_until": lock_until}
            self._connection.execute(mine.values(failed_logins=accounts.c.failed_logins + 1, **locked))

    def failures_since(self, since: datetime, *, login: str | None = None, address: str | None = None) -> int:
        """How many attempts failed since then, for a login or from an address."""
        query = sa.select(sa.func.count()).where(
            login_attempts.c.at >= since, sa.not_(login_attempts.c.succeeded)
        )
        if login is not None:
            query = query.where(login_attempts.c.login == login.casefold())
        if address is not None:
            query = query.where(login_attempts.c.address == address)
        return self._connection.execute(query).scalar_one()

    def _set(self, account: str, **values: object) -> None:
        changed = self._connection.execute(
            sa.update(accounts).where(accounts.c.id == account).values(**values)
        )
        if changed.rowcount == 0:
            raise NotStored("no such account", field="account")

    def _one(self, condition: sa.ColumnElement[bool]) -> Account | None:
        row = self._connection.execute(sa.select(accounts).where(condition)).one_or_none()
        return None if row is None else _account(row)


@dataclass(frozen=True, slots=True)
class Session:
    """One login that lasts. The cookie's token is known to us only as its hash."""

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
        """Keeps a new session."""
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
        """The session of this token."""
        query = sa.select(sessions).where(sessions.c.token_hash == token_hash)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Session(**row._mapping)

    def touch(self, token_hash: str, *, now: datetime) -> None:
        """Keeps that somebody clicked."""
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
        """Ends what was idle or open for too long; how many that were."""
        ended = self._connection.execute(
            sa.delete(sessions).where(
                sa.or_(sessions.c.last_seen_at < seen_before, sessions.c.created_at < created_before)
            )
        )
        return ended.rowcount


def _account(row: sa.Row[Any]) -> Account:
    return Account(
        id=row.id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        registration=row.registration,
        password_hash=row.password_hash,
        disabled=row.disabled,
        failed_logins=row.failed_logins,
        locked_until=row.locked_until,
    )
