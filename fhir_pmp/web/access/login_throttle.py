"""Guessing passwords is made slow: by account, and by the address it comes from."""

from datetime import datetime, timedelta

from fhir_pmp.store.access.accounts import Account
from fhir_pmp.web.access.passwords import is_password
from fhir_pmp.web.context import WebContext

FAILURE_WINDOW = timedelta(minutes=15)
MAX_FAILURES_PER_LOGIN = 5
"""Failed attempts at one login within the window; further ones are not looked at."""
MAX_FAILURES_PER_ADDRESS = 20
"""Failed attempts from one address within the window: an office has one address for many people."""
MAX_LOGIN_LENGTH = 200
"""Characters."""


class LoginRefused(Exception):
    """Login and password do not belong together. The same is said whether the login exists or not."""


class LoginThrottled(Exception):
    """Too many attempts failed; even the right password is not looked at until some time has passed."""


def check_login(web_context: WebContext, login: str, password: str, address: str, now: datetime) -> Account:
    """The account these belong to. Raises LoginRefused, LoginThrottled.

    `address` is the caller's, past the trusted proxies (`request.remote_addr`). Each attempt is counted
    before the password is looked at, so that attempts at the same moment count too.
    """
    login = login.strip()
    if not login.isprintable() or len(login) > MAX_LOGIN_LENGTH:
        raise LoginRefused  # nobody's; and a database may not take it
    with web_context.store.begin() as uow:  # one at a time, also on PostgreSQL: none slips past the count
        login_failures = uow.accounts.count_failed_attempts(since=now - FAILURE_WINDOW, login=login)
        address_failures = uow.accounts.count_failed_attempts(since=now - FAILURE_WINDOW, address=address)
        if login_failures >= MAX_FAILURES_PER_LOGIN or address_failures >= MAX_FAILURES_PER_ADDRESS:
            raise LoginThrottled  # not counted: whoever keeps trying would keep the account shut for its owner
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
