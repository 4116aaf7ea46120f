"""A letter on the pages: its fields, a preview that binds, a signature on exactly that, and what refuses it."""

from dataclasses import replace
from hashlib import sha256

from fhir_pmp.identifiers import LetterId
from fhir_pmp.letters.facts import LONGEST_FIELD
from fhir_pmp.store.accounts import Role
from fhir_pmp.store.letters import Letter, LetterKind, LetterState
from tests.integration.letters.house import moment
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import Form, form, words


def _draft(day: Day, name: str = "Kofi", case: str = "never_started") -> LetterId:
    day.finish(name, case)
    with day.store.read() as books:
        (letter,) = books.letters.of_episode(day.episodes[name], LetterKind.DISCHARGE)
    return letter.id


def _letter(day: Day, letter: LetterId) -> Letter:
    with day.store.read() as books:
        return books.letters.get(letter)


def _preview(ada: Visitor, letter: LetterId) -> Form:
    """Previews the letter; the form that signs it."""
    answer = ada.post(f"/letters/{letter}/preview")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/letters/{letter}/preview")
    return form(ada.get(f"/letters/{letter}/preview").text, "/sign")


def test_the_draft_shows_what_it_says_and_its_four_fields(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    page = ada.get(f"/letters/{letter}")
    fields = form(page.text, "/preview").fields
    assert set(fields) == {"csrf_token", "gp_actions", "safety_actions", "comment", "stop_reason"}
    # The platform's reason for never starting (facts.yaml) is proposed.
    assert fields["stop_reason"] == "No answer to three calls"
    assert "Enrolled on 16 February 2026 and did not start the programme." in words(page.text)
    assert day.last_audited().persons == (day.people["Kofi"],)


def test_saved_fields_stay_and_stand_in_the_letter(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    typed = "Please see Kofi.\n\n<b>Soon</b> & often; 5 > 3"
    answer = ada.post(f"/letters/{letter}/save", {"gp_actions": typed, "comment": "", "stop_reason": "x"})
    assert answer.status_code == 303
    page = ada.get(f"/letters/{letter}").text
    assert form(page, "/preview").fields["gp_actions"] == typed
    assert "<b>Soon</b>" not in page
    assert "<b>Soon</b> & often; 5 > 3" in words(page)


def test_a_field_that_is_not_posted_stays_as_it_was(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    ada.post(f"/letters/{letter}/preview", {"comment": "We wish him well."})
    kept = _letter(day, letter).fields
    assert (kept["comment"], kept["stop_reason"]) == ("We wish him well.", "No answer to three calls")


def test_a_wrong_field_is_named_and_nothing_typed_is_lost(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    typed = {
        "gp_actions": "x" * (LONGEST_FIELD + 1),
        "safety_actions": "bell \a",
        "comment": "kept as it is",
        "stop_reason": "also kept",
    }
    for way in ("save", "preview"):
        answer = ada.post(f"/letters/{letter}/{way}", typed)
        assert answer.status_code == 400
        assert "What we ask of the GP has more than 1500 characters" in words(answer.text)
        assert "Actions taken on safety answers holds a character that cannot be printed" in words(
            answer.text
        )
        shown = form(answer.text, "/preview").fields
        assert {name: shown[name] for name in typed} == typed
    assert _letter(day, letter).fields["comment"] == ""


def test_the_preview_is_a_pdf_of_the_signer_and_its_hash_stands_in_the_form(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    signing = _preview(ada, letter)
    pdf = ada.get(f"/letters/{letter}/preview.pdf")
    assert pdf.content_type == "application/pdf"
    assert pdf.headers["Content-Disposition"] == 'inline; filename="preview-discharge-letter-1.pdf"'
    assert pdf.headers["Cache-Control"] == "no-store"
    assert signing.fields["preview_hash"] == sha256(pdf.data).hexdigest()
    page = words(ada.get(f"/letters/{letter}/preview").text)
    assert "Dr Ada Sample, registration PSY0009876543" in page
    assert "30 July 2026" in page


def test_signing_stores_exactly_the_bytes_that_were_previewed(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    signing = _preview(ada, letter)
    previewed = ada.get(f"/letters/{letter}/preview.pdf").data
    assert ada.post(signing.action, signing.fields).headers["Location"] == f"/letters/{letter}"
    assert _letter(day, letter).state is LetterState.SIGNED
    signed = ada.get(f"/letters/{letter}/letter.pdf")
    assert signed.data == previewed
    row = day.last_audited()
    assert row.persons == (day.people["Kofi"],)
    assert row.resources == (f"DocumentReference/{_letter(day, letter).document_reference_id}",)
    assert "signed by Dr Ada Sample on 30 July 2026, 10:00 am" in words(ada.get(f"/letters/{letter}").text)


def test_another_hash_signs_nothing(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    signing = _preview(ada, letter)
    answer = ada.post(signing.action, {"preview_hash": "0" * 64})
    assert answer.status_code == 409
    assert "That is not the newest preview of this letter by this clinician." in words(answer.text)
    assert _letter(day, letter).state is LetterState.DRAFT


def test_a_preview_is_shown_to_whoever_made_it_and_signs_for_nobody_else(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    signing = _preview(ada, letter)
    with day.store.begin_beside() as books:
        other = books.accounts.add(
            "account-bo",
            login="bo",
            name="Dr Bo Other",
            role=Role.CLINICIAN,
            registration="PSY1",
            password_hash=day.ada.password_hash,
            now=day.clock(),
        )
    bo = day.browser(other)
    assert bo.get(f"/letters/{letter}/preview.pdf").status_code == 404
    assert bo.get(f"/letters/{letter}/preview").headers["Location"] == f"/letters/{letter}"
    answer = bo.post(signing.action, {"preview_hash": signing.fields["preview_hash"]})
    assert answer.status_code == 409
    assert _letter(day, letter).state is LetterState.DRAFT


def test_a_preview_expires_at_the_clinics_midnight(day: Day, ada: Visitor) -> None:
    day.clock.now = moment("2026-07-30", 23, 58)
    letter = _draft(day)
    ada = day.browser(day.ada)
    signing = _preview(ada, letter)
    day.clock.now = moment("2026-07-31", 0, 1)
    answer = ada.post(signing.action, signing.fields)
    assert answer.status_code == 409
    assert "It expired at midnight" in words(answer.text)
    assert ada.get(f"/letters/{letter}/preview.pdf").status_code == 404


def test_a_fact_that_changed_since_the_preview_refuses_and_shows_the_new_draft(
    day: Day, ada: Visitor
) -> None:
    letter = _draft(day, "Priya", "item9_positive")
    signing = _preview(ada, letter)
    day.golden.answer(
        "item9_positive", "gad7", "post", "0 0 0 0 0 0 0", "2026-04-28", amends=True, now=day.clock()
    )
    answer = ada.post(signing.action, signing.fields)
    assert answer.status_code == 409
    page = words(answer.text)
    assert "A fact the letter states has changed since the preview." in page
    assert "fell by 14 points" in page  # GAD-7 was 14 at start and is 0 now
    assert _letter(day, letter).state is LetterState.DRAFT


def test_an_unacknowledged_flag_is_told_before_and_refuses_the_signature(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    ada.post(f"/episodes/{day.episodes['Nadia']}/end", {"event": "stop", "reason": "Moved away"})
    day.draft()
    with day.store.read() as books:
        (found,) = books.letters.of_episode(day.episodes["Nadia"], LetterKind.DISCHARGE)
    assert "A safety flag has not been acknowledged; it is seen to first." in words(
        ada.get(f"/letters/{found.id}").text
    )
    signing = _preview(ada, found.id)
    answer = ada.post(signing.action, signing.fields)
    assert answer.status_code == 409
    assert "A safety flag of this person has not been acknowledged." in words(answer.text)


def test_a_signed_letter_can_be_replaced_and_both_pages_say_so(day: Day, ada: Visitor) -> None:
    letter = _draft(day)
    signing = _preview(ada, letter)
    ada.post(signing.action, signing.fields)
    replacing = ada.post(form(ada.get(f"/letters/{letter}").text, "/replace").action)
    newer = LetterId(replacing.headers["Location"].rpartition("/")[2])
    assert "a draft that is not signed yet" in words(ada.get(f"/letters/{letter}").text)
    signing = _preview(ada, newer)
    ada.post(signing.action, signing.fields)
    assert _letter(day, letter).state is LetterState.REPLACED
    assert "Signed, replaced since" in words(ada.get(f"/letters/{letter}").text)
    assert ada.get(f"/letters/{letter}/letter.pdf").status_code == 200  # it stays readable as it left


def test_a_letter_without_a_recipient_says_so_and_is_not_previewed(day: Day, ada: Visitor) -> None:
    from_export = day.take_part("Nadia", until="start")
    with day.store.begin() as books:
        episode = books.episodes.get(from_export)
        books.episodes.update(replace(episode, practice=None), now=day.clock())
    ada.post(f"/episodes/{from_export}/end", {"event": "stop", "reason": "Moved away"})
    day.draft()
    with day.store.read() as books:
        (found,) = books.letters.of_episode(from_export, LetterKind.DISCHARGE)
    assert "The episode names no practice: the letter has nobody to go to." in words(
        ada.get(f"/letters/{found.id}").text
    )
    assert ada.post(f"/letters/{found.id}/preview").status_code == 409
