"""Letters of a record that may be a double: none tells of outcomes in doubt, and who read one before reads it after."""

from dataclasses import replace
from datetime import date

import pytest

from fhir_pmp.identifiers import ClientId, EpisodeId, Identifier
from fhir_pmp.intake.arrivals import ArrivedEnrolment, RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.matching.identity_resolution import IdentityDecision, resolve_identity
from fhir_pmp.letters.lifecycle.drafting import start_decline
from fhir_pmp.letters.lifecycle.signing import PersonInDoubt
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.clinical.letters import Letter
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.letters.letter_harness import LetterHarness, build_enrolment, moment
from tests.spec.letters.golden_cases import MEDICARE, read_yaml

LATER = moment("2026-05-02")
EHR = Reader.ehr(ClientId("ehr"))


def known() -> ArrivedEnrolment:
    """A second record, known under another number."""
    blank = {"enrolled_on": None, "started_on": None, "lessons": (), "ended_on": None, "ended_how": None}
    arrival = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True)
    return replace(arrival, enrolment="known", identifiers=(Identifier(MEDICARE, "77"),), **blank)  # type: ignore[arg-type]


def enrol(harness: LetterHarness, *arrivals: ArrivedEnrolment) -> None:
    with harness.store.begin() as uow:
        results = record_enrolments(uow, harness.publishing, arrivals, LATER)
    assert RecordingStatus.REFUSED not in {result.status for result in results}, results


def _numbers() -> tuple[Identifier, ...]:
    return build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, True).identifiers


def decide(harness: LetterHarness, question: int, decision: IdentityDecision) -> None:
    with harness.store.begin() as uow:
        resolve_identity(uow, harness.publishing, question, decision, by="account:robin", now=LATER)


def resolve_as_same_person(harness: LetterHarness, *, share: bool = True) -> tuple[EpisodeId, Letter]:
    """Somebody with a signed letter bears a known record's number as well, and a clinician says that they are one."""
    episode, signed = harness.signed("pseq_rise", referred=False, share=share)
    enrol(harness, known())
    stated = build_enrolment(read_yaml("pseq_rise", "facts.yaml"), None, share)
    enrol(harness, replace(stated, identifiers=(*stated.identifiers, Identifier(MEDICARE, "77"))))
    (question,) = harness.open_items("who_is_this")
    decide(harness, question.id, IdentityDecision.SAME_PERSON)
    return episode, signed


def test_the_signed_document_is_read_on_word_for_word_and_queued(harness: LetterHarness) -> None:
    episode, signed = resolve_as_same_person(harness)
    bundle = harness.published("Bundle", str(signed.bundle_id), EHR)
    assert harness.published("DocumentReference", str(signed.document_reference_id), EHR) is not None
    assert bundle is not None
    with harness.store.read() as uow:
        first, second = reversed(uow.published.history(Reader.internal(), "Bundle", str(signed.bundle_id)))
        queued = [one.seq for one in uow.deliveries.list_all(limit=1000) if one.type == "Bundle"]
    assert first.content_hash == second.content_hash
    assert bundle["meta"]["versionId"] == "2"
    assert second.person == harness.episode(episode).person != first.person
    assert len(queued) == 2  # the first version and the one under the kept person


def test_without_consent_the_document_stays_in_the_house(harness: LetterHarness) -> None:
    _, signed = resolve_as_same_person(harness, share=False)
    assert harness.published("Bundle", str(signed.bundle_id), EHR) is None
    with harness.store.read() as uow:
        assert "Bundle" not in {one.type for one in uow.deliveries.list_all(limit=1000)}


@pytest.mark.parametrize("decision", list(IdentityDecision))
def test_no_letter_tells_of_outcomes_until_it_is_decided_whose_they_are(
    harness: LetterHarness, decision: IdentityDecision
) -> None:
    enrol(harness, replace(known(), identifiers=_numbers(), birth_date=date(1961, 3, 4)))
    draft = harness.draft(harness.complete("pseq_rise"), LATER)
    with pytest.raises(PersonInDoubt):
        harness.sign(draft, LATER)
    assert harness.task_history(draft.episode)[-1]["status"] == "in-progress"
    (question,) = harness.open_items("who_is_this")
    decide(harness, question.id, decision)
    signed = harness.sign(draft, LATER)
    assert harness.published("Bundle", str(signed.bundle_id), EHR) is not None
    assert harness.task_history(draft.episode)[-1]["status"] == "completed"
    with harness.store.read() as uow:
        queued = {one.reference for one in uow.deliveries.list_all(limit=1000)}
    assert {f"Bundle/{signed.bundle_id}", f"DocumentReference/{signed.document_reference_id}"} <= queued


def test_a_referral_in_doubt_is_declined_by_letter(harness: LetterHarness) -> None:
    who = read_yaml("decline", "facts.yaml")["person"]
    duplicate = replace(
        known(), identifiers=(Identifier(MEDICARE, who["medicare"]),), birth_date=date(1961, 3, 4)
    )
    enrol(harness, duplicate)
    episode = harness.refer("decline")
    assert harness.episode(episode).doubtful
    harness.sign(start_decline(harness.store, harness.letter_context, episode, LATER), LATER)
    assert harness.episode(episode).state is EpisodeState.DECLINED
