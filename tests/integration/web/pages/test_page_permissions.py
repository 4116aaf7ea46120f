"""Who may open and do what: nobody without a session, administrators read, every form proves that it is ours."""

import re
from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import list_forms, visible_text

ANYBODYS = {"/login", "/static/<path:name>"}
ADMINISTRATORS_TOO = {"/logout", "/search"}


def _pages(harness: ClinicHarness, method: str) -> Iterator[Rule]:
    for rule in harness.app.url_map.iter_rules():
        if rule.endpoint.startswith("pages.") and method in (rule.methods or ()):
            yield rule


def _address(rule: Rule) -> str:
    return re.sub(r"<(\w+:)?\w+>", lambda part: "1" if part[1] == "int:" else "nobody", rule.rule)


def test_nobody_without_a_session_opens_or_does_anything(harness: ClinicHarness) -> None:
    anonymous = harness.browser()
    for rule in _pages(harness, "GET"):
        if rule.rule not in ANYBODYS:
            answer = anonymous.get(_address(rule))
            assert (answer.status_code, answer.headers["Location"]) == (303, "/login"), rule
    for rule in _pages(harness, "POST"):
        if rule.rule not in ANYBODYS:
            assert anonymous.post(_address(rule)).status_code == 303, rule


def test_an_unknown_name_is_404_on_every_page_and_says_so_in_words(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    tried = 0
    for method in ("GET", "POST"):
        for rule in _pages(harness, method):
            if "<" in rule.rule and rule.rule not in ANYBODYS:
                filled = {"action": "x", "how": "x", "who": "x", "event": "finish", "preview_hash": "x"}
                answer = (
                    clinician.get(_address(rule))
                    if method == "GET"
                    else clinician.post(_address(rule), filled)
                )
                assert answer.status_code == 404, f"{method} {rule}"
                assert "There is nothing here" in visible_text(answer.text)
                tried += 1
    assert tried > 20


def test_an_administrator_is_refused_whatever_would_change_something(
    harness: ClinicHarness, administrator: FormBrowser
) -> None:
    tried = 0
    for rule in _pages(harness, "POST"):
        if rule.rule not in ANYBODYS | ADMINISTRATORS_TOO:
            answer = administrator.post(
                _address(rule), {"action": "x", "how": "x", "who": "x", "event": "finish"}
            )
            assert answer.status_code == 403, rule
            assert "You cannot do this here" in visible_text(answer.text)
            tried += 1
    assert tried > 8


def test_an_administrator_reads_everything_and_sees_no_form_that_decides(
    harness: ClinicHarness, administrator: FormBrowser
) -> None:
    referral = harness.refer("Willa")
    harness.finish("Kofi", "never_started")
    harness.enrol_from_export("Nadia", until="start")
    with harness.store.read() as uow:
        flag = uow.flags.list_open()[0].id
        draft = uow.letters.list_drafts()[0].id
    page_paths = ["/worklist", "/people", f"/referrals/{referral}", f"/flags/{flag}", f"/letters/{draft}"]
    page_paths.append(f"/people/{harness.people['Nadia']}")
    for path in page_paths:
        page = administrator.get(path)
        assert page.status_code == 200, path
        assert "reads only" in page.text
        assert [form.action for form in list_forms(page.text) if form.action != "/search"] == [], path


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_form_that_does_not_prove_to_be_ours_changes_nothing(
    harness: ClinicHarness, clinician: FormBrowser, token: str
) -> None:
    harness.refer("Willa")
    answer = clinician.post(f"/episodes/{harness.episodes['Willa']}/accept", token=token)
    assert answer.status_code == 403
    with harness.store.read() as uow:
        assert uow.episodes.get(harness.episodes["Willa"]).state.value == "referred"


def test_another_sessions_token_is_no_proof(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.refer("Willa")
    elsewhere = harness.browser(harness.clinician)
    answer = clinician.post(f"/episodes/{harness.episodes['Willa']}/accept", token=elsewhere.token())
    assert answer.status_code == 403


def test_an_address_that_takes_no_post_says_so_as_a_page(clinician: FormBrowser) -> None:
    answer = clinician.post("/worklist")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "This address cannot be used like that" in visible_text(answer.text)


def test_the_style_sheet_is_anybodys_and_nothing_above_its_folder_is(harness: ClinicHarness) -> None:
    anonymous = harness.browser()
    assert anonymous.get("/static/pages.css").status_code == 200
    assert anonymous.get("/static/nhsuk/nhsuk-frontend.min.js").status_code == 200
    for path in ("/static/../pages.py", "/static/..%2f__init__.py", "/static/nothing.css"):
        assert anonymous.get(path).status_code in (303, 404), path


def test_every_page_bears_the_headers_that_keep_it_here(clinician: FormBrowser) -> None:
    headers = clinician.get("/worklist").headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
