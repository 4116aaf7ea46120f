"""Sessions: the cookie, its rotation, idleness, age; forms that prove they are ours; logins that are counted."""

from datetime import datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from flask import Response, request
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from fhir_pmp.app import create_app
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.web.access.csrf import csrf_token
from fhir_pmp.web.access.login_throttle import LoginRefused, LoginThrottled, check_login
from fhir_pmp.web.access.passwords import hash_password, is_password
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.access.sessions import end_session, start_session
from fhir_pmp.web.access.tokens import token_hash
from fhir_pmp.web.context import web_context
from tests.integration.web.web_harness import BASE, PASSWORD, WebHarness


@pytest.fixture
def browser(harness: WebHarness) -> FlaskClient:
    """A browser before a few pages of our own: log in, look, change, leave."""
    app = create_app(harness.web_context)

    @allow(CallerKind.ANYONE)
    def enter() -> Response:
        answer = Response("in")
        account = check_login(
            web_context(), "Ada", PASSWORD, request.remote_addr or "", web_context().clock()
        )
        start_session(web_context(), account, answer, web_context().clock())
        return answer

    @allow(CallerKind.ANYONE)
    def form() -> str:
        return csrf_token()

    @allow(CallerKind.CLINICIAN, CallerKind.ADMINISTRATOR)
    def look() -> str:
        return csrf_token()

    @allow(CallerKind.CLINICIAN)
    def change() -> str:
        return "changed"

    @allow(CallerKind.CLINICIAN)
    def leave() -> Response:
        answer = Response("out")
        end_session(web_context(), answer)
        return answer

    for name, view, methods in (
        ("/try/enter", enter, ["POST"]), ("/try/form", form, ["GET"]), ("/try/look", look, ["GET"]),
        ("/try/change", change, ["POST"]), ("/try/leave", leave, ["POST"]),
    ):  # fmt: skip
        app.add_url_rule(name, name.rpartition("/")[2], view, methods=methods)
    harness.account()
    return app.test_client()


def _get(browser: FlaskClient, path: str) -> tuple[int, str]:
    # Over https: the browser sends a Secure cookie.
    answer = browser.get(path, base_url="https://localhost")
    return answer.status_code, answer.text


def _post(browser: FlaskClient, path: str, token: str | None, **headers: str) -> int:
    data = {} if token is None else {"csrf_token": token}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser.post(path, base_url="https://localhost", data=data, headers=headers).status_code


def _log_in(browser: FlaskClient) -> str:
    """Logs in and returns the token of the session's forms."""
    _, token = _get(browser, "/try/form")
    assert _post(browser, "/try/enter", token) == 200
    return _get(browser, "/try/look")[1]


def test_the_cookie_is_as_closed_as_cookies_get(browser: FlaskClient) -> None:
    _, token = _get(browser, "/try/form")
    answer = browser.post("/try/enter", base_url="https://localhost", data={"csrf_token": token})
    set_by = [SimpleCookie(line) for line in answer.headers.getlist("Set-Cookie")]
    cookie = next(c["__Host-session"] for c in set_by if "__Host-session" in c and c["__Host-session"].value)
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
    assert cookie["secure"] is True
    assert cookie["httponly"] is True
    assert len(cookie.value) >= 43


def test_nobody_without_a_session_sees_a_page(browser: FlaskClient) -> None:
    answer = browser.get("/try/look", base_url=BASE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    _log_in(browser)
    assert _get(browser, "/try/look")[0] == 200


def test_a_session_ends_when_idle_for_fifteen_minutes(browser: FlaskClient, harness: WebHarness) -> None:
    _log_in(browser)
    for _ in range(3):  # three clicks, fourteen minutes apart
        harness.clock.advance(minutes=14)
        assert _get(browser, "/try/look")[0] == 200
    harness.clock.advance(minutes=15)
    assert _get(browser, "/try/look")[0] == 303


def test_a_session_ends_after_twelve_hours_however_busy(browser: FlaskClient, harness: WebHarness) -> None:
    _log_in(browser)
    for _ in range(71):
        harness.clock.advance(minutes=10)
        assert _get(browser, "/try/look")[0] == 200
    harness.clock.advance(minutes=10)
    assert _get(browser, "/try/look")[0] == 303


def test_logging_in_gives_another_session_and_ends_the_one_before(
    browser: FlaskClient, harness: WebHarness
) -> None:
    _log_in(browser)
    before = browser.get_cookie("__Host-session")
    assert before is not None
    token = _get(browser, "/try/look")[1]
    assert _post(browser, "/try/enter", token) == 200
    after = browser.get_cookie("__Host-session")
    assert after is not None
    assert before.value != after.value
    browser.set_cookie("__Host-session", before.value, secure=True, httponly=True)
    assert _get(browser, "/try/look")[0] == 303


def test_logging_out_ends_the_session_with_us_too(browser: FlaskClient) -> None:
    token = _log_in(browser)
    kept = browser.get_cookie("__Host-session")
    assert kept is not None
    assert _post(browser, "/try/leave", token) == 200
    assert browser.get_cookie("__Host-session") is None
    browser.set_cookie("__Host-session", kept.value, secure=True, httponly=True)
    assert _get(browser, "/try/look")[0] == 303


def test_a_disabled_account_is_out_at_once(browser: FlaskClient, harness: WebHarness) -> None:
    _log_in(browser)
    with harness.store.begin() as uow:
        uow.accounts.set_disabled("account-ada", True)
    assert _get(browser, "/try/look")[0] == 303


def test_session_tokens_are_kept_as_hashes_only(browser: FlaskClient, migrated_url: str) -> None:
    _log_in(browser)
    cookie = browser.get_cookie("__Host-session")
    assert cookie is not None
    engine = create_engine(migrated_url)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM sessions")).all()
    engine.dispose()
    assert len(kept) == 1
    assert cookie.value not in repr(kept)


def test_a_form_without_our_token_changes_nothing(browser: FlaskClient) -> None:
    token = _log_in(browser)
    assert _post(browser, "/try/change", token) == 200
    assert _post(browser, "/try/change", None) == 403
    assert _post(browser, "/try/change", "") == 403
    assert _post(browser, "/try/change", token[:-1] + "\N{SNOWMAN}") == 403
    assert _post(browser, "/try/change", token, Sec_Fetch_Site="cross-site") == 403
    assert _post(browser, "/try/change", token, Sec_Fetch_Site="same-site") == 403
    assert _post(browser, "/try/change", token, Sec_Fetch_Site="same-origin") == 200


def test_a_token_is_of_use_in_its_own_session_only(browser: FlaskClient) -> None:
    before_login = _get(browser, "/try/form")[1]
    first = _log_in(browser)
    assert _post(browser, "/try/change", before_login) == 403
    assert _post(browser, "/try/enter", first) == 200
    assert _post(browser, "/try/change", first) == 403


def test_logging_in_needs_a_form_of_ours_too(browser: FlaskClient) -> None:
    assert _post(browser, "/try/enter", None) == 403
    assert _post(browser, "/try/enter", "invented") == 403


def test_a_cookie_opens_no_api_and_a_token_no_page(browser: FlaskClient, harness: WebHarness) -> None:
    _log_in(browser)
    assert browser.get("/fhir/Patient", base_url="https://localhost").status_code == 401
    fresh = browser.application.test_client()
    headers = {"Authorization": f"Bearer {harness.tokens['ehr']}"}
    assert fresh.get("/try/look", base_url="https://localhost", headers=headers).status_code == 303


def test_an_administrator_may_look_and_not_change(browser: FlaskClient, harness: WebHarness) -> None:
    with harness.store.begin() as uow:
        uow.accounts.set_disabled("account-ada", True)
    account = harness.account("root", Role.ADMINISTRATOR)
    assert account.role is Role.ADMINISTRATOR
    answer = Response()
    with browser.application.test_request_context(base_url="https://localhost"):
        start_session(harness.web_context, account, answer, harness.clock())
    value = SimpleCookie(answer.headers.getlist("Set-Cookie")[-1])["__Host-session"].value
    browser.set_cookie("__Host-session", value, secure=True, httponly=True)
    status, token = _get(browser, "/try/look")
    assert status == 200
    assert _post(browser, "/try/change", token) == 403


# logins


def _try(harness: WebHarness, password: str, login: str = "ada", address: str = "10.0.0.1") -> str:
    try:
        return check_login(harness.web_context, login, password, address, harness.clock()).id
    except LoginRefused:
        return "refused"
    except LoginThrottled:
        return "throttled"


def test_login_and_password_must_belong_together(harness: WebHarness) -> None:
    harness.account()
    assert _try(harness, PASSWORD) == "account-ada"
    assert _try(harness, PASSWORD, login=" ADA ") == "account-ada"
    assert _try(harness, PASSWORD + "x") == "refused"
    assert _try(harness, PASSWORD, login="nobody") == "refused"
    assert _try(harness, "x" * 1000) == "refused"
    assert _try(harness, PASSWORD, login="ada\x00") == "refused"
    assert _try(harness, PASSWORD, login="x" * 1000) == "refused"
    with harness.store.begin() as uow:
        uow.accounts.set_disabled("account-ada", True)
    assert _try(harness, PASSWORD) == "refused"


def test_five_wrong_passwords_shut_a_login_for_a_while(harness: WebHarness) -> None:
    harness.account()
    for n in range(5):
        assert _try(harness, "wrong password", address=f"10.0.0.{n}") == "refused"
    assert _try(harness, PASSWORD) == "throttled"
    harness.clock.advance(minutes=15, seconds=1)
    assert _try(harness, PASSWORD) == "account-ada"


def test_an_unknown_login_is_throttled_alike(harness: WebHarness) -> None:
    for _ in range(5):
        assert _try(harness, "wrong password", login="nobody") == "refused"
    assert _try(harness, "wrong password", login="nobody") == "throttled"


def test_twenty_wrong_passwords_shut_an_address_and_no_other(harness: WebHarness) -> None:
    harness.account()
    for n in range(20):
        assert _try(harness, "wrong password", login=f"guess-{n}") == "refused"
    assert _try(harness, PASSWORD) == "throttled"
    assert _try(harness, PASSWORD, address="10.0.0.2") == "account-ada"


def test_right_passwords_are_not_counted(harness: WebHarness) -> None:
    harness.account()
    for _ in range(7):
        harness.clock.advance(seconds=1)
        assert _try(harness, PASSWORD) == "account-ada"


def test_passwords_are_kept_as_argon2id(harness: WebHarness) -> None:
    account = harness.account()
    assert account.password_hash.startswith("$argon2id$")
    assert not is_password(PASSWORD, None)
    for wrong in ("short", "x" * 257):
        with pytest.raises(ValueError, match="characters"):
            hash_password(wrong)


def test_sessions_are_seen_without_writing_on_every_click(browser: FlaskClient, harness: WebHarness) -> None:
    _log_in(browser)
    cookie = browser.get_cookie("__Host-session")
    assert cookie is not None
    started = harness.clock.now
    for seconds, written in ((10, 0), (10, 0), (15, 35), (10, 35)):
        harness.clock.advance(seconds=seconds)
        _get(browser, "/try/look")
        assert _last_seen(harness, cookie.value) - started == timedelta(seconds=written)


def _last_seen(harness: WebHarness, token: str) -> datetime:
    with harness.store.read() as uow:
        session = uow.sessions.find(token_hash(token))
    assert session is not None
    return session.last_seen_at
