"""A safety flag is seen to by a clinician who says what was done; nothing else makes it inactive."""

from fhir_pmp.identifiers import FlagId
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import find_form, visible_text


def _flag(harness: ClinicHarness) -> FlagId:
    harness.enrol_from_export("Nadia", until="start")
    with harness.store.read() as uow:
        (flag,) = uow.flags.list_open()
    return flag.id


def test_the_page_says_what_was_answered_when_and_by_whom(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    page = visible_text(clinician.get(f"/flags/{_flag(harness)}").text)
    assert "Nadia Sampleton" in page
    assert "PHQ-9 item 9 (thoughts of being better off dead or of self-harm)" in page
    assert "several days (1)" in page
    assert "Start, answered on 2 March 2026" in page
    assert "Not acknowledged" in page
    assert harness.last_audit_row().persons == (harness.people["Nadia"],)


def test_without_an_action_nothing_is_acknowledged(harness: ClinicHarness, clinician: FormBrowser) -> None:
    flag = _flag(harness)
    answer = clinician.post(f"/flags/{flag}/acknowledge", {"action": " \n "})
    assert answer.status_code == 400
    assert "Enter what was done" in visible_text(answer.text)
    assert 'href="#action"' in answer.text
    with harness.store.read() as uow:
        assert uow.flags.get(flag).acknowledgement is None


def test_what_is_too_long_is_refused_and_stays_in_the_form(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    flag = _flag(harness)
    typed = "x" * (LONGEST_FIELD + 1)
    answer = clinician.post(f"/flags/{flag}/acknowledge", {"action": typed})
    assert answer.status_code == 400
    assert "What was done has more than 1500 characters" in visible_text(answer.text)
    assert find_form(answer.text, "/acknowledge").fields["action"] == typed


def test_acknowledging_keeps_name_time_and_words_and_publishes_the_flag_inactive(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    flag = _flag(harness)
    answer = clinician.post(f"/flags/{flag}/acknowledge", {"action": "Telephoned;\r\nsafety plan agreed"})
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/people/{harness.people['Nadia']}#safety",
    )
    with harness.store.read() as uow:
        done = uow.flags.get(flag).acknowledgement
        published = uow.published.find(Reader.internal(), "Flag", flag)
    assert done is not None
    assert (done.by, done.at, done.action) == (
        "Dr Ada Sample",
        harness.clock(),
        "Telephoned;\nsafety plan agreed",
    )
    assert published is not None
    assert b'"status":"inactive"' in published.content
    row = harness.last_audit_row()
    assert (row.who, row.route, row.action) == (
        "account:account-ada",
        "/flags/<flag_id>/acknowledge",
        "update",
    )
    assert row.persons == (harness.people["Nadia"],)


def test_the_first_acknowledgement_stands(harness: ClinicHarness, clinician: FormBrowser) -> None:
    flag = _flag(harness)
    clinician.post(f"/flags/{flag}/acknowledge", {"action": "Telephoned"})
    answer = clinician.post(f"/flags/{flag}/acknowledge", {"action": "Something else"})
    assert answer.status_code == 409
    assert "the first acknowledgement stands" in visible_text(answer.text)
    with harness.store.read() as uow:
        done = uow.flags.get(flag).acknowledgement
    assert done is not None
    assert done.action == "Telephoned"
