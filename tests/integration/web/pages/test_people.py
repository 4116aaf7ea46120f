"""Who is where, and looking somebody up by an exact number that stands in no address."""

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


def test_pages_together_show_everybody_once(day: Day, ada: Visitor, monkeypatch: object) -> None:
    day.refer("Willa")
    day.refer("Otto")
    day.take_part("Nadia", until="screening")
    from_page: list[str] = []
    assert people_pages.PAGE == 50
    with day.store.read() as books:
        for offset in range(0, 3, 2):
            from_page += [one.id for one in books.episodes.list_by_name(offset=offset, limit=2)]
    assert sorted(from_page) == sorted(day.episodes.values())
    assert day.last_audited() is not None


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
