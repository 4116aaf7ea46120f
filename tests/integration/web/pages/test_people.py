"""Who is where, and looking somebody up by an exact number that stands in no address."""

import pytest

from fhir_pmp.web.pages import people as people_pages
from tests.integration.web.pages.day import Day, Visitor, facts
from tests.integration.web.pages.reading import form, rows, words


def test_episodes_are_listed_by_name_and_counted_by_state(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    day.refer("Willa")
    day.refer("Otto")
    page = ada.get("/people").text
    assert "Everybody (3)" in words(page)
    assert "Referred (2)" in words(page)
    assert "Commenced (1)" in words(page)
    listed = [row for row in rows(page) if "Sampleton" in row]
    assert [row.split()[1] for row in listed] == ["Nadia", "Otto", "Willa"]
    referred = [row for row in rows(ada.get("/people?state=referred").text) if "Sampleton" in row]
    assert [row.split()[1] for row in referred] == ["Otto", "Willa"]


def test_a_state_that_is_none_is_404_and_a_page_past_the_end_is_empty(ada: Visitor) -> None:
    assert ada.get("/people?state=happy").status_code == 404
    assert "Nobody." in words(ada.get("/people?page=99").text)


def test_pages_together_show_everybody_once(day: Day, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_pages, "PAGE", 2)
    for name in ("Willa", "Otto", "Nadia", "Felix", "Kofi"):
        day.refer(name)
    shown: list[str] = []
    path: str | None = "/people?state=referred"
    while path is not None:
        page = ada.get(path).text
        shown += [row.split()[1] for row in rows(page) if "Sampleton" in row]
        following = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        path = following.replace("&amp;", "&") if 'rel="next"' in page else None
    assert shown == ["Felix", "Kofi", "Nadia", "Otto", "Willa"]
    assert set(day.last_audited().persons) == {day.people["Willa"]}  # the last page shows her alone


def test_somebody_is_found_by_referral_number_identifier_or_enrolment(day: Day, ada: Visitor) -> None:
    day.refer("Willa")
    day.take_part("Nadia", until="screening")
    with day.store.read() as books:
        number = books.referrals.of_episodes([day.episodes["Willa"]])[day.episodes["Willa"]].number
        enrolment = books.episodes.get(day.episodes["Nadia"]).enrolment
    medicare = facts("Nadia")["person"]["medicare"]
    grouped = f" {medicare[:4]} {medicare[4:9]} {medicare[9:]} "
    for typed, name in (
        (number, "Willa"),
        (number.lower(), "Willa"),
        (medicare, "Nadia"),
        (grouped, "Nadia"),
        (enrolment, "Nadia"),
    ):
        answer = ada.post("/search", {"number": typed})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/people/{day.people[name]}"), typed


def test_a_name_finds_nobody_and_what_was_typed_stays(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="screening")
    answer = ada.post("/search", {"number": "Sampleton"})
    assert answer.status_code == 200
    assert "Nobody bears exactly this number." in words(answer.text)
    assert form(answer.text, "/search").fields["number"] == "Sampleton"
    assert ada.post("/search", {"number": " "}).status_code == 400


def test_a_search_is_a_query_in_the_audit_and_its_words_stand_in_no_address(day: Day, sam: Visitor) -> None:
    sam.post("/search", {"number": "2950602298"})
    row = day.last_audited()
    assert (row.action, row.route) == ("query", "/search")
    assert sam.get("/search?number=2950602298").status_code == 405
