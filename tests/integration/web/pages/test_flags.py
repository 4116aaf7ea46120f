"""A safety flag is seen to by a clinician who says what was done; nothing else makes it inactive."""

from fhir_pmp.identifiers import FlagId
from fhir_pmp.letters.facts import LONGEST_FIELD
from fhir_pmp.store.readers import Reader
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import form, words


def _flag(day: Day) -> FlagId:
    day.take_part("Nadia", until="start")
    with day.store.read() as books:
        (flag,) = books.flags.list_open()
    return flag.id


def test_the_page_says_what_was_answered_when_and_by_whom(day: Day, ada: Visitor) -> None:
    page = words(ada.get(f"/flags/{_flag(day)}").text)
    assert "Nadia Sampleton" in page
    assert "PHQ-9 item 9 (thoughts of being better off dead or of self-harm)" in page
    assert "several days (1)" in page
    assert "Start, answered on 2 March 2026" in page
    assert "Not acknowledged" in page
    assert day.last_audited().persons == (day.people["Nadia"],)


def test_without_an_action_nothing_is_acknowledged(day: Day, ada: Visitor) -> None:
    flag = _flag(day)
    answer = ada.post(f"/flags/{flag}/acknowledge", {"action": " \n "})
    assert answer.status_code == 400
    assert "Say what was done" in words(answer.text)
    assert 'href="#action"' in answer.text
    with day.store.read() as books:
        assert books.flags.get(flag).acknowledgement is None


def test_what_is_too_long_is_refused_and_stays_in_the_form(day: Day, ada: Visitor) -> None:
    flag = _flag(day)
    typed = "x" * (LONGEST_FIELD + 1)
    answer = ada.post(f"/flags/{flag}/acknowledge", {"action": typed})
    assert answer.status_code == 400
    assert "What was done has more than 1500 characters" in words(answer.text)
    assert form(answer.text, "/acknowledge").fields["action"] == typed


def test_acknowledging_keeps_name_time_and_words_and_publishes_the_flag_inactive(
    day: Day, ada: Visitor
) -> None:
    flag = _flag(day)
    answer = ada.post(f"/flags/{flag}/acknowledge", {"action": "Telephoned;\r\nsafety plan agreed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/people/{day.people['Nadia']}#safety")
    with day.store.read() as books:
        done = books.flags.get(flag).acknowledgement
        published = books.published.find(Reader.house(), "Flag", flag)
    assert done is not None
    assert (done.by, done.at, done.action) == (
        "Dr Ada Sample",
        day.clock(),
        "Telephoned;\nsafety plan agreed",
    )
    assert published is not None
    assert b'"status":"inactive"' in published.content
    row = day.last_audited()
    assert (row.who, row.route, row.action) == (
        "account:account-ada",
        "/flags/<flag_id>/acknowledge",
        "update",
    )
    assert row.persons == (day.people["Nadia"],)


def test_the_first_acknowledgement_stands(day: Day, ada: Visitor) -> None:
    flag = _flag(day)
    ada.post(f"/flags/{flag}/acknowledge", {"action": "Telephoned"})
    answer = ada.post(f"/flags/{flag}/acknowledge", {"action": "Something else"})
    assert answer.status_code == 409
    assert "the first acknowledgement stands" in words(answer.text)
    with day.store.read() as books:
        done = books.flags.get(flag).acknowledgement
    assert done is not None
    assert done.action == "Telephoned"
