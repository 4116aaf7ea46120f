"""A letter on the pages: its fields, a preview that binds, a signature on exactly that, and what refuses it."""

from dataclasses import replace
from hashlib import sha256

import pytest

from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.store.clinical.letters import Letter, LetterState
from tests.integration.letters.letter_harness import moment
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import Form, find_form, visible_text


def _draft(harness: ClinicHarness, name: str = "Kofi", case: str = "never_started") -> LetterId:
    harness.finish(name, case)
    with harness.store.read() as uow:
        (letter,) = uow.letters.of_episode(harness.episodes[name], LetterKind.DISCHARGE)
    return letter.id


def _letter(harness: ClinicHarness, letter: LetterId) -> Letter:
    with harness.store.read() as uow:
        return uow.letters.get(letter)


def _preview(clinician: FormBrowser, letter: LetterId) -> Form:
    """Previews the letter; the form that signs it."""
    answer = clinician.post(f"/letters/{letter}/preview")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/letters/{letter}/preview")
    return find_form(clinician.get(f"/letters/{letter}/preview").text, "/sign")


def test_the_draft_shows_what_it_says_and_its_four_fields(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    page = clinician.get(f"/letters/{letter}")
    fields = find_form(page.text, "/preview").fields
    assert set(fields) == {"csrf_token", "gp_actions", "safety_actions", "comment", "stop_reason"}
    # The platform's reason for never starting (facts.yaml) is proposed.
    assert fields["stop_reason"] == "No answer to three calls"
    assert "Enrolled on 16 February 2026 and did not start the programme." in visible_text(page.text)
    assert harness.last_audit_row().persons == (harness.people["Kofi"],)


def test_saved_fields_stay_and_stand_in_the_letter(harness: ClinicHarness, clinician: FormBrowser) -> None:
    letter = _draft(harness)
    typed = "Please see Kofi.\n\n<b>Soon</b> & often; 5 > 3"
    answer = clinician.post(
        f"/letters/{letter}/save", {"gp_actions": typed, "comment": "", "stop_reason": "x"}
    )
    assert answer.status_code == 303
    page = clinician.get(f"/letters/{letter}").text
    assert find_form(page, "/preview").fields["gp_actions"] == typed
    assert "<b>Soon</b>" not in page
    assert "<b>Soon</b> & often; 5 > 3" in visible_text(page)


def test_a_field_that_is_not_posted_stays_as_it_was(harness: ClinicHarness, clinician: FormBrowser) -> None:
    letter = _draft(harness)
    clinician.post(f"/letters/{letter}/preview", {"comment": "We wish him well."})
    kept = _letter(harness, letter).fields
    assert (kept["comment"], kept["stop_reason"]) == ("We wish him well.", "No answer to three calls")


def test_a_wrong_field_is_named_and_nothing_typed_is_lost(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    typed = {
        "gp_actions": "x" * (LONGEST_FIELD + 1),
        "safety_actions": "bell \a",
        "comment": "kept as it is",
        "stop_reason": "also kept",
    }
    for way in ("save", "preview"):
        answer = clinician.post(f"/letters/{letter}/{way}", typed)
        assert answer.status_code == 400
        assert "What we ask of the GP has more than 1500 characters" in visible_text(answer.text)
        assert "Actions taken on safety answers holds a character that cannot be printed" in visible_text(
            answer.text
        )
        shown = find_form(answer.text, "/preview").fields
        assert {name: shown[name] for name in typed} == typed
    assert _letter(harness, letter).fields["comment"] == ""


def test_the_preview_is_a_pdf_of_the_signer_and_its_hash_stands_in_the_form(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    signing = _preview(clinician, letter)
    pdf = clinician.get(f"/letters/{letter}/preview.pdf")
    assert pdf.content_type == "application/pdf"
    assert pdf.headers["Content-Disposition"] == 'inline; filename="preview-discharge-letter-1.pdf"'
    assert pdf.headers["Cache-Control"] == "no-store"
    assert signing.fields["preview_hash"] == sha256(pdf.data).hexdigest()
    page = visible_text(clinician.get(f"/letters/{letter}/preview").text)
    assert "Dr Ada Sample, registration PSY0009876543" in page
    assert "30 July 2026" in page


@pytest.mark.promise("P14")
def test_signing_stores_exactly_the_bytes_that_were_previewed(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    signing = _preview(clinician, letter)
    previewed = clinician.get(f"/letters/{letter}/preview.pdf").data
    assert clinician.post(signing.action, signing.fields).headers["Location"] == f"/letters/{letter}"
    assert _letter(harness, letter).state is LetterState.SIGNED
    signed = clinician.get(f"/letters/{letter}/letter.pdf")
    assert signed.data == previewed
    row = harness.last_audit_row()
    assert row.persons == (harness.people["Kofi"],)
    assert row.resources == (f"DocumentReference/{_letter(harness, letter).document_reference_id}",)
    assert "signed by Dr Ada Sample on 30 July 2026, 10:00 am" in visible_text(
        clinician.get(f"/letters/{letter}").text
    )


def test_another_hash_signs_nothing(harness: ClinicHarness, clinician: FormBrowser) -> None:
    letter = _draft(harness)
    signing = _preview(clinician, letter)
    answer = clinician.post(signing.action, {"preview_hash": "0" * 64})
    assert answer.status_code == 409
    assert "That is not the newest preview of this letter by this clinician." in visible_text(answer.text)
    assert _letter(harness, letter).state is LetterState.DRAFT


def test_a_preview_is_shown_to_whoever_made_it_and_signs_for_nobody_else(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    signing = _preview(clinician, letter)
    with harness.store.begin_without_publishing() as uow:
        other = uow.accounts.add(
            "account-bo",
            login="bo",
            name="Dr Bo Other",
            role=Role.CLINICIAN,
            registration="PSY1",
            password_hash=harness.clinician.password_hash,
            now=harness.clock(),
        )
    bo = harness.browser(other)
    assert bo.get(f"/letters/{letter}/preview.pdf").status_code == 404
    assert bo.get(f"/letters/{letter}/preview").headers["Location"] == f"/letters/{letter}"
    answer = bo.post(signing.action, {"preview_hash": signing.fields["preview_hash"]})
    assert answer.status_code == 409
    assert _letter(harness, letter).state is LetterState.DRAFT


def test_a_preview_expires_at_the_clinics_midnight(harness: ClinicHarness, clinician: FormBrowser) -> None:
    harness.clock.now = moment("2026-07-30", 23, 58)
    letter = _draft(harness)
    clinician = harness.browser(harness.clinician)
    signing = _preview(clinician, letter)
    harness.clock.now = moment("2026-07-31", 0, 1)
    answer = clinician.post(signing.action, signing.fields)
    assert answer.status_code == 409
    assert "It expired at midnight" in visible_text(answer.text)
    assert clinician.get(f"/letters/{letter}/preview.pdf").status_code == 404


def test_a_fact_that_changed_since_the_preview_refuses_and_shows_the_new_draft(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness, "Priya", "item9_positive")
    signing = _preview(clinician, letter)
    harness.letter_harness.answer(
        "item9_positive", "gad7", "post", "0 0 0 0 0 0 0", "2026-04-28", amends=True, now=harness.clock()
    )
    answer = clinician.post(signing.action, signing.fields)
    assert answer.status_code == 409
    page = visible_text(answer.text)
    assert "A fact the letter states has changed since the preview." in page
    assert "fell by 14 points" in page  # GAD-7 was 14 at start and is 0 now
    assert _letter(harness, letter).state is LetterState.DRAFT


def test_an_unacknowledged_flag_is_told_before_and_refuses_the_signature(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    harness.enrol_from_export("Nadia", until="start")
    clinician.post(f"/episodes/{harness.episodes['Nadia']}/end", {"event": "stop", "reason": "Moved away"})
    harness.draft()
    with harness.store.read() as uow:
        (found,) = uow.letters.of_episode(harness.episodes["Nadia"], LetterKind.DISCHARGE)
    assert "A safety flag has not been acknowledged. Acknowledge it before you sign." in visible_text(
        clinician.get(f"/letters/{found.id}").text
    )
    signing = _preview(clinician, found.id)
    answer = clinician.post(signing.action, signing.fields)
    assert answer.status_code == 409
    assert "A safety flag of this person has not been acknowledged." in visible_text(answer.text)


def test_a_signed_letter_can_be_replaced_and_both_pages_say_so(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    letter = _draft(harness)
    signing = _preview(clinician, letter)
    clinician.post(signing.action, signing.fields)
    replacing = clinician.post(find_form(clinician.get(f"/letters/{letter}").text, "/replace").action)
    newer = LetterId(replacing.headers["Location"].rpartition("/")[2])
    assert "a draft that is not signed yet" in visible_text(clinician.get(f"/letters/{letter}").text)
    signing = _preview(clinician, newer)
    clinician.post(signing.action, signing.fields)
    assert _letter(harness, letter).state is LetterState.REPLACED
    assert "Signed, replaced since" in visible_text(clinician.get(f"/letters/{letter}").text)
    assert clinician.get(f"/letters/{letter}/letter.pdf").status_code == 200  # it stays readable as it left


def test_a_letter_without_a_recipient_says_so_and_is_not_previewed(
    harness: ClinicHarness, clinician: FormBrowser
) -> None:
    from_export = harness.enrol_from_export("Nadia", until="start")
    with harness.store.begin() as uow:
        episode = uow.episodes.get(from_export)
        uow.episodes.update(replace(episode, practice=None), now=harness.clock())
    clinician.post(f"/episodes/{from_export}/end", {"event": "stop", "reason": "Moved away"})
    harness.draft()
    with harness.store.read() as uow:
        (found,) = uow.letters.of_episode(from_export, LetterKind.DISCHARGE)
    assert "The episode names no practice, so the letter has no recipient." in visible_text(
        clinician.get(f"/letters/{found.id}").text
    )
    assert clinician.post(f"/letters/{found.id}/preview").status_code == 409
