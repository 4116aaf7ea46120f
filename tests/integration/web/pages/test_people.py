"""Who is where, and looking somebody up by an exact number that stands in no address."""

import pytest

from fhir_pmp.web.pages import people as people_pages
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser, facts
from tests.integration.web.pages.html_reader import find_form, table_rows, visible_text


def test_episodes_are_listed_by_name_and_counted_by_state(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    harness.refer("Willa")
    harness.refer("Otto")
    page = clinician.get("/people").text
    assert "All (3)" in visible_text(page)
    assert "Referred (2)" in visible_text(page)
    assert "Commenced (1)" in visible_text(page)
    listed = [row for row in table_rows(page) if "Sampleton" in row]
    assert [row.split()[1] for row in listed] == ["Nadia", "Otto", "Willa"]
    referred = [row for row in table_rows(clinician.get("/people?state=referred").text) if "Sampleton" in row]
    assert [row.split()[1] for row in referred] == ["Otto", "Willa"]


def test_a_state_that_is_none_is_404_and_a_page_past_the_end_is_empty(clinician: FormBrowser) -> None:
    assert clinician.get("/people?state=happy").status_code == 404
    assert "No one in this list." in visible_text(clinician.get("/people?page=99").text)


def test_pages_together_show_everybody_once(
    harness: ClinicHarness, clinician: FormBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_pages, "PAGE_SIZE", 2)
    for name in ("Willa", "Otto", "Nadia", "Felix", "Kofi"):
        harness.refer(name)
    shown: list[str] = []
    path: str | None = "/people?state=referred"
    while path is not None:
        page = clinician.get(path).text
        shown += [row.split()[1] for row in table_rows(page) if "Sampleton" in row]
        following = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        path = following.replace("&amp;", "&") if 'rel="next"' in page else None
    assert shown == ["Felix", "Kofi", "Nadia", "Otto", "Willa"]
    assert set(harness.last_audit_row().persons) == {harness.people["Willa"]}  # the last page shows her alone


def test_somebody_is_found_by_referral_number_identifier_or_enrolment(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.refer("Willa")
    harness.enrol_from_export("Nadia", until="screening")
    with harness.store.read() as uow:
        number = uow.referrals.of_episodes([harness.episodes["Willa"]])[harness.episodes["Willa"]].number
        enrolment = uow.episodes.get(harness.episodes["Nadia"]).enrolment
    medicare = facts("Nadia")["person"]["medicare"]
    grouped = f" {medicare[:4]} {medicare[4:9]} {medicare[9:]} "
    for typed, name in (
        (number, "Willa"),
        (number.lower(), "Willa"),
        (medicare, "Nadia"),
        (grouped, "Nadia"),
        (enrolment, "Nadia"),
    ):
        answer = clinician.post("/search", {"number": typed})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/people/{harness.people[name]}"), (
            typed
        )


def test_a_name_finds_nobody_and_what_was_typed_stays(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.enrol_from_export("Nadia", until="screening")
    answer = clinician.post("/search", {"number": "Sampleton"})
    assert answer.status_code == 200
    assert "No one has exactly this number." in visible_text(answer.text)
    assert find_form(answer.text, "/search").fields["number"] == "Sampleton"
    assert clinician.post("/search", {"number": " "}).status_code == 400


def test_a_search_is_a_query_in_the_audit_and_its_words_stand_in_no_address(
    harness: ClinicHarness, administrator: FormBrowser
) -> None:
    administrator.post("/search", {"number": "2950602298"})
    row = harness.last_audit_row()
    assert (row.action, row.route) == ("query", "/search")
    assert administrator.get("/search?number=2950602298").status_code == 405
