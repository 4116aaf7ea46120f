"""Stores accounts that may log in, and login attempts.

Passwords are stored as hashes only.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.errors import AlreadyStored, NotStored
from fhir_pmp.store.tables.access import accounts, login_attempts, sessions


class Role(StrEnum):
    """The role of an account: a clinician signs and accepts, an administrator reads."""

    CLINICIAN = "clinician"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Account:
    """An account that may log in."""

    id: str
    login: str
    name: str
    role: Role
    registration: str | None  # as printed under a letter
    password_hash: str  # argon2
    disabled: bool


class Accounts:
    """Accounts by login, which ignores case."""

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
        """Stores a new account. Raises AlreadyStored for a login that exists."""
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
            )
        )
        return self.get(account)

    def get(self, account: str) -> Account:
        """Returns the account. Raises NotStored."""
        found = self._one(accounts.c.id == account)
        if found is None:
            raise NotStored("no such account", field="account")
        return found

    def find_by_login(self, login: str) -> Account | None:
        """Returns the account of this login."""
        return self._one(accounts.c.login == login.casefold())

    def list_all(self) -> list[Account]:
        """Lists all accounts, by login."""
        return [
            _account(row) for row in self._connection.execute(sa.select(accounts).order_by(accounts.c.login))
        ]

    def find(self, account: str) -> Account | None:
        """Returns the account, if there is one."""
        return self._one(accounts.c.id == account)

    def set_password(self, account: str, password_hash: str) -> None:
        """Replaces the password hash. Raises NotStored."""
        self._set(account, password_hash=password_hash)

    def set_disabled(self, account: str, disabled: bool) -> None:
        """Disables or enables the account; disabling ends its sessions."""
        self._set(account, disabled=disabled)
        if disabled:
            self._connection.execute(sa.delete(sessions).where(sessions.c.account == account))

    def add_attempt(self, login: str, address: str, *, now: datetime) -> int:
        """Stores a login attempt as failed, until `mark_succeeded`; the login may be unknown."""
        added = self._connection.execute(
            sa.insert(login_attempts)
            .values(login=login.casefold(), address=address, at=now, succeeded=False)
            .returning(login_attempts.c.seq)
        )
        attempt: int = added.scalar_one()
        return attempt

    def mark_succeeded(self, attempt: int) -> None:
        """Records that an attempt gave the right password."""
        self._connection.execute(
            sa.update(login_attempts).where(login_attempts.c.seq == attempt).values(succeeded=True)
        )

    def count_failed_attempts(
        self, *, since: datetime, login: str | None = None, address: str | None = None
    ) -> int:
        """Counts the failed attempts since a time, for a login or from an address."""
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


def _account(row: sa.Row[Any]) -> Account:
    return Account(
        id=row.id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        registration=row.registration,
        password_hash=row.password_hash,
        disabled=row.disabled,
    )
