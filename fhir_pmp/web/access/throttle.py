"""Guessing passwords is made slow: by account, and by the address it comes from."""

from datetime import datetime, timedelta

from fhir_pmp.store.accounts import Account
from fhir_pmp.web.access.passwords import is_password
from fhir_pmp.web.desk import Desk

WINDOW = timedelta(minutes=15)
MOST_PER_LOGIN = 5
"""Failed attempts at one login within the window; further ones are not looked at."""
MOST_PER_ADDRESS = 20
"""Failed attempts from one address within the window: an office has one address for many people."""
LONGEST_LOGIN = 200
"""Characters."""


class LoginRefused(Exception):
    """Login and password do not belong together. The same is said whether the login exists or not."""


class LoginThrottled(Exception):
    """Too many attempts failed; even the right password is not looked at until some time has passed."""


def check_login(desk: Desk, login: str, password: str, address: str, now: datetime) -> Account:
    """The account these belong to. Raises LoginRefused, LoginThrottled.

    `address` is the caller's, past the trusted proxies (`request.remote_addr`). Each attempt is counted
    before the password is looked at, so that attempts at the same moment count too.
    """
    login = login.strip()
    if not login.isprintable() or len(login) > LONGEST_LOGIN:
        raise LoginRefused  # nobody's; and a database may not take it
    with desk.store.begin() as books:  # one at a time, also on PostgreSQL: none slips past the count
        failed_here = books.accounts.failed_attempts(since=now - WINDOW, login=login)
        failed_there = books.accounts.failed_attempts(since=now - WINDOW, address=address)
        if failed_here >= MOST_PER_LOGIN or failed_there >= MOST_PER_ADDRESS:
            raise LoginThrottled  # not counted: whoever keeps trying would keep the account shut for its owner
        attempt = books.accounts.add_attempt(login, address, now=now)
        account = books.accounts.find_by_login(login)
    if (
        not is_password(password, account.password_hash if account else None)
        or account is None
        or account.disabled
    ):
        raise LoginRefused
    with desk.store.begin_beside() as books:
        books.accounts.attempt_succeeded(attempt)
    return account
