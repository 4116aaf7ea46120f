"""Logging in and out: the same words for every refusal, a clock that is told, nothing typed lost but the password."""

from tests.integration.web.pages.clinic_harness import PASSWORD, ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import find_form, visible_text


def test_a_wrong_password_and_an_unknown_user_are_refused_in_the_same_words(harness: ClinicHarness) -> None:
    browser = harness.browser()
    wrong, unknown = browser.log_in("ada", "not her password"), browser.log_in("nobody", PASSWORD)
    assert wrong.status_code == unknown.status_code == 400
    assert "The user name or the password is wrong" in visible_text(wrong.text)
    assert visible_text(wrong.text) == visible_text(unknown.text)


def test_what_was_typed_stays_except_the_password(harness: ClinicHarness) -> None:
    answer = harness.browser().log_in("ada", "not her password")
    assert find_form(answer.text, "/login").fields["login"] == "ada"
    assert find_form(answer.text, "/login").fields["password"] == ""
    assert "not her password" not in answer.text


def test_an_empty_form_names_both_fields(harness: ClinicHarness) -> None:
    answer = harness.browser().post("/login", {"login": " ", "password": ""})
    assert answer.status_code == 400
    assert "Enter your user name" in visible_text(answer.text)
    assert "Enter your password" in visible_text(answer.text)
    assert "<title>Error: Log in" in answer.text


def test_the_right_password_opens_the_worklist_and_the_audit_names_who_came(harness: ClinicHarness) -> None:
    browser = harness.browser()
    answer = browser.log_in("ada")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/worklist")
    assert "Worklist" in visible_text(browser.get("/worklist").text)
    logged_in = [row for row in harness.audit_rows() if row.action == "login"]
    assert [(row.who, row.outcome) for row in logged_in] == [("account:account-ada", "303")]


def test_after_five_failures_even_the_right_password_waits(harness: ClinicHarness) -> None:
    browser = harness.browser()
    for _ in range(5):
        assert browser.log_in("ada", "not her password").status_code == 400
    answer = browser.log_in("ada")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    assert "Too many attempts failed. Wait 15 minutes" in visible_text(answer.text)
    harness.clock.advance(minutes=15, seconds=1)
    assert browser.log_in("ada").status_code == 303


def test_every_page_says_when_the_session_ends_and_it_ends_then(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.clock.advance(minutes=5)
    page = clinician.get("/worklist").text
    assert "you are logged out at" in page
    assert "10:20 am" in page  # ten o'clock, five minutes on, fifteen minutes idle
    harness.clock.advance(minutes=15)
    answer = clinician.get("/worklist")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


def test_without_scripts_the_page_leaves_by_itself_just_after_the_session_has_ended(
    clinician: FormBrowser,
) -> None:
    page = clinician.get("/worklist").text
    assert '<noscript><meta http-equiv="refresh" content="905; url=/login?ended=idle"></noscript>' in page


def test_near_its_twelfth_hour_a_session_says_its_true_end(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    for _ in range(51):  # fourteen minutes apart: eleven hours and fifty-four minutes
        harness.clock.advance(minutes=14)
        page = clinician.get("/worklist")
        assert page.status_code == 200
    assert 'data-seconds="360"' in page.text


def test_typing_keeps_the_session_alive_and_says_for_how_long(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    for _ in range(3):
        harness.clock.advance(minutes=14)
        answer = clinician.get("/stay")
        assert (answer.status_code, answer.text) == (200, "900")
    harness.clock.advance(minutes=15)
    assert clinician.get("/stay").status_code == 303


def test_logging_out_ends_the_session_for_good(harness: ClinicHarness, clinician: FormBrowser) -> None:
    cookie = clinician.client.get_cookie("__Host-session", domain="127.0.0.1")
    assert cookie is not None
    answer = clinician.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?ended=yes")
    assert "You are logged out" in visible_text(clinician.get("/login?ended=yes").text)
    clinician.client.set_cookie("__Host-session", cookie.value, domain="127.0.0.1", secure=True)
    assert clinician.get("/worklist").status_code == 303


def test_whoever_is_logged_in_goes_on_to_the_worklist_but_a_window_left_alone_stays(
    clinician: FormBrowser,
) -> None:
    assert clinician.get("/login").headers["Location"] == "/worklist"
    alone = clinician.get("/login?ended=idle")
    assert alone.status_code == 200
    assert "nothing was clicked or typed for 15 minutes" in visible_text(alone.text)
    assert (
        "data-seconds" not in alone.text
    )  # it starts no clock, so an unwatched window keeps no session alive
