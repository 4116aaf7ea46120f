"""Checks logins and limits failed attempts per account and per network address."""

from datetime import datetime, timedelta

from fhir_pmp.store.access.accounts import Account
from fhir_pmp.web.access.passwords import is_password
from fhir_pmp.web.context import WebContext

FAILURE_WINDOW = timedelta(minutes=15)
MAX_FAILURES_PER_LOGIN = 5
"""Failed attempts at one login within the window; further attempts are refused unread."""
MAX_FAILURES_PER_ADDRESS = 20
"""Failed attempts from one address within the window: an office may share one address."""
MAX_LOGIN_LENGTH = 200
"""Characters."""


class LoginRefused(Exception):
    """Login and password do not match.

    The message is the same whether the login exists or not.
    """


class LoginThrottled(Exception):
    """Too many attempts failed; until the window has passed even the right password is refused."""


def check_login(web_context: WebContext, login: str, password: str, address: str, now: datetime) -> Account:
    """Returns the account of this login and password. Raises LoginRefused, LoginThrottled.

    `address` is the caller's, past the trusted proxies (`request.remote_addr`). Each attempt is counted
    before the password is checked, so that simultaneous attempts count too.
    """
    login = login.strip()
    if not login.isprintable() or len(login) > MAX_LOGIN_LENGTH:
        raise LoginRefused  # no account has such a login, and a database may refuse the text
    with web_context.store.begin() as uow:  # serialized, also on PostgreSQL: no attempt escapes the count
        login_failures = uow.accounts.count_failed_attempts(since=now - FAILURE_WINDOW, login=login)
        address_failures = uow.accounts.count_failed_attempts(since=now - FAILURE_WINDOW, address=address)
        if login_failures >= MAX_FAILURES_PER_LOGIN or address_failures >= MAX_FAILURES_PER_ADDRESS:
            raise LoginThrottled  # not counted: otherwise an attacker could lock the owner out for ever
        attempt = uow.accounts.add_attempt(login, address, now=now)
        account = uow.accounts.find_by_login(login)
    if (
        not is_password(password, account.password_hash if account else None)
        or account is None
        or account.disabled
    ):
        raise LoginRefused
    with web_context.store.begin_without_publishing() as uow:
        uow.accounts.mark_succeeded(attempt)
    return account
