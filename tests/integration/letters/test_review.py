"""A signed letter that is no longer true becomes a work item, and one that still is does not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from fhir_pmp.identifiers import Identifier
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.letters.lifecycle.drafting import start_replacement
from fhir_pmp.letters.lifecycle.review import review_signed_letters
from fhir_pmp.letters.lifecycle.work_kinds import SIGNED_LETTER_OUTDATED
from tests.integration.letters.letter_harness import LetterHarness, build_enrolment, moment
from tests.spec.letters.golden_cases import MEDICARE, read_yaml

LATER = moment("2026-05-02")
IN_JULY = moment("2026-07-29")


def reasons(harness: LetterHarness, now: object = LATER) -> list[str]:
    outdated = review_signed_letters(
        harness.store, harness.letter_context, LATER if now is LATER else IN_JULY
    )
    return [reason for one in outdated for reason in one.reasons]


def test_a_letter_that_is_still_true_opens_nothing(harness: LetterHarness) -> None:
    harness.signed("pseq_rise")
    assert reasons(harness) == []
    assert reasons(harness) == []
    assert harness.open_items(SIGNED_LETTER_OUTDATED) == []


def test_an_amended_response_opens_a_work_item_once(harness: LetterHarness) -> None:
    episode, signed = harness.signed("pseq_rise")
    harness.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(harness) == ["a response has been amended"]
    assert reasons(harness) == []
    (item,) = harness.open_items(SIGNED_LETTER_OUTDATED)
    assert (item.about, item.episode, item.role) == (f"letter/{signed.id}", episode, "clinician")


def test_signing_the_replacement_closes_the_work_item(harness: LetterHarness) -> None:
    _, signed = harness.signed("pseq_rise")
    harness.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    reasons(harness)
    harness.sign(start_replacement(harness.store, harness.letter_context, signed.id, LATER), LATER)
    assert harness.open_items(SIGNED_LETTER_OUTDATED) == []
    assert reasons(harness) == []


def test_a_withdrawn_response_opens_a_work_item(harness: LetterHarness) -> None:
    episode, _ = harness.signed("pseq_rise")
    with harness.store.begin() as uow:
        response = uow.responses.of_episode(episode)[0].response.id
        withdraw_response(uow, harness.publishing, response, reason="another person", by="robin", now=LATER)
    assert reasons(harness) == ["a response has been withdrawn"]


def test_a_response_the_letter_calls_missing_opens_a_work_item(harness: LetterHarness) -> None:
    harness.signed("item9_positive")  # satisfaction was due at the end and not received
    harness.answer("item9_positive", "pgic", "post", "2", "2026-04-28", now=LATER)
    assert reasons(harness) == ["a response has arrived that the letter calls missing"]


def test_a_follow_up_that_was_not_due_then_is_no_contradiction(harness: LetterHarness) -> None:
    harness.signed("pseq_rise")
    harness.answer("pseq_rise", "phq9", "follow_up", "1 1 1 1 1 1 1 0 0", "2026-07-28", now=IN_JULY)
    assert reasons(harness, IN_JULY) == []


def test_a_follow_up_that_worsened_opens_a_work_item(harness: LetterHarness) -> None:
    harness.signed("pseq_rise")
    # 15 at start, 22 now: 7 points worse, and 6 count.
    harness.answer("pseq_rise", "phq9", "follow_up", "3 3 3 3 3 3 2 2 0", "2026-07-28", now=IN_JULY)
    assert reasons(harness, IN_JULY) == ["a later response shows that a measure has worsened"]


def test_a_follow_up_that_raised_a_flag_opens_a_work_item(harness: LetterHarness) -> None:
    harness.signed("pseq_rise")
    harness.answer("pseq_rise", "phq9", "follow_up", "1 1 1 1 1 1 1 0 1", "2026-07-28", now=IN_JULY)
    assert reasons(harness, IN_JULY) == ["a later response raised a safety flag"]


def _restate_enrolment(harness: LetterHarness, **stated: Any) -> None:
    """The platform states the enrolment of somebody whom nobody referred once more."""
    arrival = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True)
    with harness.store.begin() as uow:
        (result,) = record_enrolments(uow, harness.publishing, [replace(arrival, **stated)], LATER)
    assert result.status is RecordingStatus.AMENDED


def test_a_corrected_identifier_opens_a_work_item_and_one_more_does_not(harness: LetterHarness) -> None:
    harness.signed("pseq_rise", referred=False)
    stated = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers
    _restate_enrolment(harness, identifiers=(*stated, Identifier("urn:hospital", "h-1")))
    assert reasons(harness) == []
    _restate_enrolment(harness, identifiers=(Identifier(MEDICARE, "2950999999"),))
    assert reasons(harness) == ["an identifier of the person is another"]


def test_a_lesson_dated_otherwise_opens_a_work_item_though_nothing_of_it_is_published(
    harness: LetterHarness,
) -> None:
    harness.signed("pseq_rise", referred=False)
    assert reasons(harness) == []
    lessons = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True).lessons
    _restate_enrolment(harness, lessons=(*lessons[:4], (5, lessons[4][1] + timedelta(days=1))))
    assert reasons(harness) == ["the dates, the lessons or the end of the programme are others"]
    assert reasons(harness) == []


def test_what_a_clinician_has_decided_is_not_asked_again_and_what_is_new_is(harness: LetterHarness) -> None:
    harness.signed("pseq_rise", referred=False)
    harness.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(harness) == ["a response has been amended"]
    (item,) = harness.open_items(SIGNED_LETTER_OUTDATED)
    with harness.store.begin() as uow:
        uow.work_items.close(item.id, by="account:robin", how="not replaced: the GP was called", now=LATER)
    # Something else of the person moves, and nothing that the letter states.
    stated = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers
    _restate_enrolment(harness, identifiers=(*stated, Identifier("urn:hospital", "h-1")))
    assert reasons(harness) == ["a response has been amended"]
    assert harness.open_items(SIGNED_LETTER_OUTDATED) == []
    # Amended once more, it is another contradiction, told in the same words.
    harness.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(harness) == ["a response has been amended"]
    assert len(harness.open_items(SIGNED_LETTER_OUTDATED)) == 1
