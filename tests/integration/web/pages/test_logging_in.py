"""Logging in and out: the same words for every refusal, a clock that is told, nothing typed lost but the password."""

from tests.integration.web.pages.day import PASSWORD, Day, Visitor
from tests.integration.web.pages.reading import form, words


def test_a_wrong_password_and_an_unknown_user_are_refused_in_the_same_words(day: Day) -> None:
    browser = day.browser()
    wrong, unknown = browser.log_in("ada", "not her password"), browser.log_in("nobody", PASSWORD)
    assert wrong.status_code == unknown.status_code == 400
    assert "User name and password do not belong together" in words(wrong.text)
    assert words(wrong.text) == words(unknown.text)


def test_what_was_typed_stays_except_the_password(day: Day) -> None:
    answer = day.browser().log_in("ada", "not her password")
    assert form(answer.text, "/login").fields["login"] == "ada"
    assert form(answer.text, "/login").fields["password"] == ""
    assert "not her password" not in answer.text


def test_an_empty_form_names_both_fields(day: Day) -> None:
    answer = day.browser().post("/login", {"login": " ", "password": ""})
    assert answer.status_code == 400
    assert "Enter your user name" in words(answer.text)
    assert "Enter your password" in words(answer.text)
    assert "<title>Error: Log in" in answer.text


def test_the_right_password_opens_the_worklist_and_the_audit_names_who_came(day: Day) -> None:
    browser = day.browser()
    answer = browser.log_in("ada")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/worklist")
    assert "Worklist" in words(browser.get("/worklist").text)
    logged_in = [row for row in day.audited() if row.action == "login"]
    assert [(row.who, row.outcome) for row in logged_in] == [("account:account-ada", "303")]


def test_after_five_failures_even_the_right_password_waits(day: Day) -> None:
    browser = day.browser()
    for _ in range(5):
        assert browser.log_in("ada", "not her password").status_code == 400
    answer = browser.log_in("ada")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    assert "Too many attempts failed. Wait 15 minutes" in words(answer.text)
    day.clock.pass_by(minutes=15, seconds=1)
    assert browser.log_in("ada").status_code == 303


def test_every_page_says_when_the_session_ends_and_it_ends_then(day: Day, ada: Visitor) -> None:
    day.clock.pass_by(minutes=5)
    page = ada.get("/worklist").text
    assert "you are logged out at" in page
    assert "10:20 am" in page  # ten o'clock, five minutes on, fifteen minutes idle
    day.clock.pass_by(minutes=15)
    answer = ada.get("/worklist")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


def test_without_scripts_the_page_leaves_by_itself_just_after_the_session_has_ended(ada: Visitor) -> None:
    page = ada.get("/worklist").text
    assert '<noscript><meta http-equiv="refresh" content="905; url=/login?ended=idle"></noscript>' in page


def test_near_its_twelfth_hour_a_session_says_its_true_end(day: Day, ada: Visitor) -> None:
    for _ in range(51):  # fourteen minutes apart: eleven hours and fifty-four minutes
        day.clock.pass_by(minutes=14)
        page = ada.get("/worklist")
        assert page.status_code == 200
    assert 'data-seconds="360"' in page.text


def test_typing_keeps_the_session_alive_and_says_for_how_long(day: Day, ada: Visitor) -> None:
    for _ in range(3):
        day.clock.pass_by(minutes=14)
        answer = ada.get("/stay")
        assert (answer.status_code, answer.text) == (200, "900")
    day.clock.pass_by(minutes=15)
    assert ada.get("/stay").status_code == 303


def test_logging_out_ends_the_session_for_good(day: Day, ada: Visitor) -> None:
    cookie = ada.client.get_cookie("__Host-session", domain="127.0.0.1")
    assert cookie is not None
    answer = ada.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?ended=yes")
    assert "You are logged out" in words(ada.get("/login?ended=yes").text)
    ada.client.set_cookie("__Host-session", cookie.value, domain="127.0.0.1", secure=True)
    assert ada.get("/worklist").status_code == 303


def test_whoever_is_logged_in_goes_on_to_the_worklist_but_a_window_left_alone_stays(ada: Visitor) -> None:
    assert ada.get("/login").headers["Location"] == "/worklist"
    alone = ada.get("/login?ended=idle")
    assert alone.status_code == 200
    assert "This window was left alone for 15 minutes" in words(alone.text)
    assert (
        "data-seconds" not in alone.text
    )  # it starts no clock, so an unwatched window keeps no session alive
