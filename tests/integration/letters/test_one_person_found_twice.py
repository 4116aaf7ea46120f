"""Letters of a record that may be a double: none tells of outcomes in doubt, and who read one before reads it after."""

from dataclasses import replace
from datetime import date

import pytest

from fhir_pmp.identifiers import ClientId, EpisodeId, Identifier
from fhir_pmp.intake.arrivals import ArrivedEnrolment, Fate
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.same_person import Decision, decide_same_person
from fhir_pmp.letters.drafting import start_decline
from fhir_pmp.letters.signing import PersonInDoubt
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.letters import Letter
from fhir_pmp.store.readers import Reader
from tests.integration.letters.house import House, enrolment_of, moment
from tests.spec.letters.cases import MEDICARE, clinic, read_yaml

LATER = moment("2026-05-02")
EHR = Reader.ehr(ClientId("ehr"))


def known() -> ArrivedEnrolment:
    """A second record, known under another number."""
    blank = {"enrolled_on": None, "started_on": None, "lessons": (), "ended_on": None, "ended_how": None}
    arrival = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True)
    return replace(arrival, enrolment="known", identifiers=(Identifier(MEDICARE, "77"),), **blank)  # type: ignore[arg-type]


def enrol(house: House, *arrivals: ArrivedEnrolment) -> None:
    with house.store.begin() as books:
        receipts = record_enrolments(books, clinic(), house.publisher, arrivals, LATER)
    assert Fate.REFUSED not in {receipt.fate for receipt in receipts}, receipts


def _numbers() -> tuple[Identifier, ...]:
    return enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers


def decide(house: House, question: int, decision: Decision) -> None:
    with house.store.begin() as books:
        decide_same_person(
            books, clinic(), house.publisher, question, decision, by="account:robin", now=LATER
        )


def found_to_be_the_same(house: House, *, share: bool = True) -> tuple[EpisodeId, Letter]:
    """Somebody with a signed letter bears a known record's number as well, and a clinician says that they are one."""
    episode, signed = house.signed("pseq_rise", referred=False, share=share)
    enrol(house, known())
    said = enrolment_of(read_yaml("pseq_rise", "facts.yaml"), None, share)
    enrol(house, replace(said, identifiers=(*said.identifiers, Identifier(MEDICARE, "77"))))
    (question,) = house.open_items("who_is_this")
    decide(house, question.id, Decision.SAME_PERSON)
    return episode, signed


def test_the_signed_document_is_read_on_word_for_word_and_queued(house: House) -> None:
    episode, signed = found_to_be_the_same(house)
    bundle = house.published("Bundle", str(signed.bundle_id), EHR)
    assert house.published("DocumentReference", str(signed.document_reference_id), EHR) is not None
    assert bundle is not None
    with house.store.read() as books:
        first, second = reversed(books.published.history(Reader.house(), "Bundle", str(signed.bundle_id)))
        queued = [one.seq for one in books.deliveries.list_all(limit=1000) if one.type == "Bundle"]
    assert first.content_hash == second.content_hash
    assert bundle["meta"]["versionId"] == "2"
    assert second.person == house.episode(episode).person != first.person
    assert len(queued) == 2  # the first version and the one under the kept person


def test_without_consent_the_document_stays_in_the_house(house: House) -> None:
    _, signed = found_to_be_the_same(house, share=False)
    assert house.published("Bundle", str(signed.bundle_id), EHR) is None
    with house.store.read() as books:
        assert "Bundle" not in {one.type for one in books.deliveries.list_all(limit=1000)}


@pytest.mark.parametrize("decision", list(Decision))
def test_no_letter_tells_of_outcomes_until_it_is_decided_whose_they_are(
    house: House, decision: Decision
) -> None:
    enrol(house, replace(known(), identifiers=_numbers(), birth_date=date(1961, 3, 4)))
    draft = house.draft(house.complete("pseq_rise"), LATER)
    with pytest.raises(PersonInDoubt):
        house.sign(draft, LATER)
    assert house.task_history(draft.episode)[-1]["status"] == "in-progress"
    (question,) = house.open_items("who_is_this")
    decide(house, question.id, decision)
    signed = house.sign(draft, LATER)
    assert house.published("Bundle", str(signed.bundle_id), EHR) is not None
    assert house.task_history(draft.episode)[-1]["status"] == "completed"
    with house.store.read() as books:
        queued = {one.reference for one in books.deliveries.list_all(limit=1000)}
    assert {f"Bundle/{signed.bundle_id}", f"DocumentReference/{signed.document_reference_id}"} <= queued


def test_a_referral_in_doubt_is_declined_by_letter(house: House) -> None:
    who = read_yaml("decline", "facts.yaml")["person"]
    twin = replace(known(), identifiers=(Identifier(MEDICARE, who["medicare"]),), birth_date=date(1961, 3, 4))
    enrol(house, twin)
    episode = house.refer("decline")
    assert house.episode(episode).doubtful
    house.sign(start_decline(house.store, house.press, episode, LATER), LATER)
    assert house.episode(episode).state is EpisodeState.DECLINED
