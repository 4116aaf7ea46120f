"""A signed letter that is no longer true becomes a work item, and one that still is does not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from fhir_pmp.identifiers import Identifier
from fhir_pmp.intake.arrivals import Fate
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.withdrawals import withdraw_response
from fhir_pmp.letters.drafting import start_replacement
from fhir_pmp.letters.reviewing import review_signed_letters
from fhir_pmp.letters.signing import FACTS_CHANGED
from tests.integration.letters.house import House, enrolment_of, moment
from tests.spec.letters.cases import MEDICARE, clinic, read_yaml

LATER = moment("2026-05-02")
IN_JULY = moment("2026-07-29")


def reasons(house: House, now: object = LATER) -> list[str]:
    outdated = review_signed_letters(house.store, house.press, LATER if now is LATER else IN_JULY)
    return [reason for one in outdated for reason in one.reasons]


def test_a_letter_that_is_still_true_opens_nothing(house: House) -> None:
    house.signed("pseq_rise")
    assert reasons(house) == []
    assert reasons(house) == []
    assert house.open_items(FACTS_CHANGED) == []


def test_an_amended_response_opens_a_work_item_once(house: House) -> None:
    episode, signed = house.signed("pseq_rise")
    house.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(house) == ["a response has been amended"]
    assert reasons(house) == []
    (item,) = house.open_items(FACTS_CHANGED)
    assert (item.about, item.episode, item.role) == (f"letter/{signed.id}", episode, "clinician")


def test_signing_the_replacement_closes_the_work_item(house: House) -> None:
    _, signed = house.signed("pseq_rise")
    house.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    reasons(house)
    house.sign(start_replacement(house.store, house.press, signed.id, LATER), LATER)
    assert house.open_items(FACTS_CHANGED) == []
    assert reasons(house) == []


def test_a_withdrawn_response_opens_a_work_item(house: House) -> None:
    episode, _ = house.signed("pseq_rise")
    with house.store.begin() as books:
        response = books.responses.of_episode(episode)[0].response.id
        withdraw_response(
            books, clinic(), house.publisher, response, reason="another person", by="robin", now=LATER
        )
    assert reasons(house) == ["a response has been withdrawn"]


def test_a_response_the_letter_calls_missing_opens_a_work_item(house: House) -> None:
    house.signed("item9_positive")  # satisfaction was due at the end and not received
    house.answer("item9_positive", "pgic", "post", "2", "2026-04-28", now=LATER)
    assert reasons(house) == ["a response has arrived that the letter calls missing"]


def test_a_follow_up_that_was_not_due_then_is_no_contradiction(house: House) -> None:
    house.signed("pseq_rise")
    house.answer("pseq_rise", "phq9", "follow_up", "1 1 1 1 1 1 1 0 0", "2026-07-28", now=IN_JULY)
    assert reasons(house, IN_JULY) == []


def test_a_follow_up_that_worsened_opens_a_work_item(house: House) -> None:
    house.signed("pseq_rise")
    # 15 at start, 22 now: 7 points worse, and 6 count.
    house.answer("pseq_rise", "phq9", "follow_up", "3 3 3 3 3 3 2 2 0", "2026-07-28", now=IN_JULY)
    assert reasons(house, IN_JULY) == ["a later response shows that a measure has worsened"]


def test_a_follow_up_that_raised_a_flag_opens_a_work_item(house: House) -> None:
    house.signed("pseq_rise")
    house.answer("pseq_rise", "phq9", "follow_up", "1 1 1 1 1 1 1 0 1", "2026-07-28", now=IN_JULY)
    assert reasons(house, IN_JULY) == ["a later response raised a safety flag"]


def _stated_again(house: House, **said: Any) -> None:
    """The platform states the enrolment of somebody whom nobody referred once more."""
    arrival = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True)
    with house.store.begin() as books:
        (receipt,) = record_enrolments(books, clinic(), house.publisher, [replace(arrival, **said)], LATER)
    assert receipt.fate is Fate.AMENDED


def test_a_corrected_identifier_opens_a_work_item_and_one_more_does_not(house: House) -> None:
    house.signed("pseq_rise", referred=False)
    stated = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers
    _stated_again(house, identifiers=(*stated, Identifier("urn:hospital", "h-1")))
    assert reasons(house) == []
    _stated_again(house, identifiers=(Identifier(MEDICARE, "2950999999"),))
    assert reasons(house) == ["an identifier of the person is another"]


def test_a_lesson_dated_otherwise_opens_a_work_item_though_nothing_of_it_is_published(house: House) -> None:
    house.signed("pseq_rise", referred=False)
    assert reasons(house) == []
    lessons = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True).lessons
    _stated_again(house, lessons=(*lessons[:4], (5, lessons[4][1] + timedelta(days=1))))
    assert reasons(house) == ["the dates, the lessons or the end of the programme are others"]
    assert reasons(house) == []


def test_what_a_clinician_has_decided_is_not_asked_again_and_what_is_new_is(house: House) -> None:
    house.signed("pseq_rise", referred=False)
    house.answer("pseq_rise", "phq9", "post", "2 2 2 2 2 2 2 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(house) == ["a response has been amended"]
    (item,) = house.open_items(FACTS_CHANGED)
    with house.store.begin() as books:
        books.work_items.close(item.id, by="account:robin", how="not replaced: the GP was called", now=LATER)
    # Something else of the person moves, and nothing that the letter states.
    stated = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers
    _stated_again(house, identifiers=(*stated, Identifier("urn:hospital", "h-1")))
    assert reasons(house) == ["a response has been amended"]
    assert house.open_items(FACTS_CHANGED) == []
    # Amended once more, it is another contradiction, told in the same words.
    house.answer("pseq_rise", "phq9", "post", "3 3 3 3 3 3 3 1 0", "2026-04-28", amends=True, now=LATER)
    assert reasons(house) == ["a response has been amended"]
    assert len(house.open_items(FACTS_CHANGED)) == 1
