"""A clinician says who a doubtful record is: what moves, what is published then, and what stays another's."""

from dataclasses import replace

import pytest

from fhir_pmp.identifiers import Identifier, PersonId
from fhir_pmp.intake.arrivals import Ending, RecordingStatus
from fhir_pmp.intake.episode.clinician_decisions import acknowledge_flag
from fhir_pmp.intake.matching.identity_resolution import (
    IdentityDecision,
    NotAnIdentityQuestion,
    OtherPersonInDoubt,
    PersonNotChosen,
    resolve_identity,
)
from fhir_pmp.intake.matching.person_match import ReferralNotAccepted
from fhir_pmp.pathway.facts import Episode, EpisodeState
from fhir_pmp.store.errors import ChangedMeanwhile
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.intake.intake_harness import BORN, MEDICARE, IntakeHarness, enrolment, gad7, phq9

GP_MEDICARE = "urn:medicare"
MISTYPED = BORN.replace(day=3)
SAME, ANOTHER = IdentityDecision.SAME_PERSON, IdentityDecision.ANOTHER_PERSON


def decide(
    harness: IntakeHarness, decision: IdentityDecision, *, same_as: str | None = None, item: int | None = None
) -> Episode:
    """The clinician decides the one open question."""
    number = harness.open_work_items("who_is_this")[0].id if item is None else item
    harness.now = harness._tick()
    with harness.store.begin() as uow:
        return resolve_identity(
            uow,
            harness.publishing,
            number,
            decision,
            by="account:ada",
            now=harness.now,
            same_as=None if same_as is None else PersonId(same_as),
        )


def _doubtful_enrolment(harness: IntakeHarness) -> None:
    """e1 and e2 bear one Medicare number and different birth dates; e2 is in doubt, with responses and a flag."""
    harness.enrol(enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)))
    harness.enrol(enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED))
    harness.respond(
        phq9("start", *[2] * 9, enrolment="e2"),
        phq9("post", *[1] * 8, 0, enrolment="e2"),
        gad7("start", *[1] * 7, enrolment="e2"),
    )


def test_the_same_person_takes_the_record_over_and_it_is_published_under_them(harness: IntakeHarness) -> None:
    _doubtful_enrolment(harness)
    before = harness.versions()
    known = harness.episode("e1").person
    decided = decide(harness, SAME)
    assert (decided.person, decided.doubtful) == (known, False)
    assert harness.open_work_items() == []
    new = harness.changed_since(before)
    assert sorted(ref.partition("/")[0] for ref in new) == sorted(
        ["EpisodeOfCare", "Flag"]
        + ["QuestionnaireResponse"] * 3
        + ["Observation"] * 6  # three totals, two answers to item 9, one change
    )
    for reference in new:
        resource = harness.published()[reference]
        who = resource.get("subject") or resource["patient"]
        assert who == {"reference": f"Patient/{known}"}
    assert len(harness.published("Patient")) == 1
    assert set(new) <= set(harness.queued())
    with harness.store.read() as uow:
        assert {one.response.person for one in uow.responses.of_episode(decided.id)} == {known}
        assert [flag.person for flag in uow.flags.list_open()] == [known]
        assert [move.event for move in uow.episodes.history(decided.id)][-2:] == ["same person", "doubt"]


def test_another_person_is_published_as_a_person_of_their_own(harness: IntakeHarness) -> None:
    _doubtful_enrolment(harness)
    before = harness.versions()
    decided = decide(harness, ANOTHER)
    assert decided.person != harness.episode("e1").person
    assert not harness.episode("e2").doubtful
    assert harness.open_work_items() == []
    assert len(harness.published("Patient")) == 2
    assert all(
        f"Patient/{decided.person}" in str(harness.published()[ref]) or ref == f"Patient/{decided.person}"
        for ref in harness.changed_since(before)
    )


def test_without_consent_the_lifted_record_is_published_and_not_queued(harness: IntakeHarness) -> None:
    harness.enrol(enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)))
    harness.enrol(
        enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED, share_with_ehr=False)
    )
    harness.respond(phq9("start", *[2] * 9, enrolment="e2"))
    queued = harness.queued()
    decide(harness, ANOTHER)
    assert harness.published("QuestionnaireResponse")
    assert harness.queued() == queued


def test_an_acknowledged_flag_and_a_withdrawn_response_of_the_doubtful_time_come_out_as_they_stand(
    harness: IntakeHarness,
) -> None:
    _doubtful_enrolment(harness)
    with harness.store.begin() as uow:
        (flag,) = uow.flags.list_open()
        acknowledge_flag(uow, harness.publishing, flag.id, by="Dr Ada", action="called", now=harness.now)
    with harness.store.read() as uow:
        gad = [
            r.response.id for r in uow.responses.of_episode(flag.episode) if r.response.instrument == "gad7"
        ]
    harness.withdraw(gad[0])
    harness.respond(phq9("post", *[3] * 8, 0, enrolment="e2", amends=True))
    decide(harness, SAME)
    assert harness.published("Flag")[f"Flag/{flag.id}"]["status"] == "inactive"
    statuses = {one["status"] for one in harness.published("QuestionnaireResponse").values()}
    assert statuses == {"completed", "amended"}
    assert f"QuestionnaireResponse/{gad[0]}" not in harness.published()


def test_a_flag_whose_response_was_withdrawn_in_the_doubtful_time_points_to_what_is_published(
    harness: IntakeHarness,
) -> None:
    _doubtful_enrolment(harness)
    with harness.store.begin() as uow:
        (flag,) = uow.flags.list_open()
    harness.withdraw(flag.response)
    decide(harness, SAME)
    now = harness.published()
    raised = now[f"Flag/{flag.id}"]
    assert raised["status"] == "active"  # a withdrawal lowers no flag
    answer = now[raised["extension"][0]["valueReference"]["reference"]]
    assert answer["status"] == "entered-in-error"
    assert now[f"QuestionnaireResponse/{flag.response}"]["status"] == "entered-in-error"
    changes = [one for one in now.values() if len(one.get("derivedFrom", [])) == 2]
    assert changes == []  # nothing is left to count from


def test_what_the_platform_says_of_the_double_afterwards_is_no_longer_the_persons_name(
    harness: IntakeHarness,
) -> None:
    _doubtful_enrolment(harness)
    decide(harness, SAME)
    patient = harness.versions("Patient")
    for _ in range(2):
        harness.enrol(
            enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)),
            enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED),
        )
    assert harness.versions("Patient") == patient
    (item,) = harness.open_work_items()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["birth_date"])
    # Whoever comes with an identifier of the double is the person that was kept.
    harness.enrol(enrolment("e3", identifiers=(Identifier(MEDICARE, "m-1"),)))
    assert harness.episode("e3").person == harness.episode("e1").person


def _doubtful_referral(harness: IntakeHarness) -> None:
    """The export's e1 is known; the GP refers somebody with the same number and another birth date."""
    harness.enrol(enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),), birth_date=MISTYPED))
    harness.respond(phq9("start", *[1] * 9))
    harness.refer("1")


def test_a_referral_of_the_same_person_is_re_pointed_by_new_versions(harness: IntakeHarness) -> None:
    _doubtful_referral(harness)
    referral, known = harness.referral(), harness.episode("e1").person
    before = harness.versions()
    decided = decide(harness, SAME)
    assert (decided.id, decided.person) == (referral.episode, known)
    assert harness.referral().person == known
    now = harness.published()
    old_patient, new_patient = f"Patient/{referral.person}", f"Patient/{known}"
    assert (now[old_patient]["active"], now[old_patient]["link"]) == (
        False,
        [{"other": {"reference": new_patient}, "type": "replaced-by"}],
    )
    moved = harness.changed_since(before)
    assert {ref for ref in moved if ref in before} == {
        old_patient,
        new_patient,  # it stands on the referral's side now
        f"ServiceRequest/{referral.service_request_id}",
        f"Task/{referral.task_id}",
        *published_references(harness, "Condition"),
    }
    for reference in moved - {old_patient, new_patient}:
        stated = str(now[reference])
        assert new_patient in stated and old_patient not in stated
    # The record of the known person is left alone, and the practice still finds everything it sent.
    with harness.store.read() as uow:
        practice = Reader.practice(harness.practice.id)
        for reference in (
            new_patient,
            f"Task/{referral.task_id}",
            *published_references(harness, "Condition"),
        ):
            kind, _, resource_id = reference.partition("/")
            assert uow.published.find(practice, kind, resource_id) is not None
        recorded = next(iter(published_references(harness, "QuestionnaireResponse"))).partition("/")[2]
        assert uow.published.find(practice, "QuestionnaireResponse", recorded) is None


def published_references(harness: IntakeHarness, kind: str) -> set[str]:
    """The references of everything published of that type."""
    return set(harness.published(kind))


def test_a_referral_of_another_person_goes_on_under_its_own_patient(harness: IntakeHarness) -> None:
    _doubtful_referral(harness)
    referral = harness.referral()
    before = harness.versions()
    decided = decide(harness, ANOTHER)
    assert (decided.person, decided.doubtful) == (referral.person, False)
    assert harness.changed_since(before) == {f"EpisodeOfCare/{referral.episode}"}
    harness.accept(referral)
    harness.enrol(enrolment("e2", referral_number=referral.number, identifiers=()))
    assert harness.episode("e2").id == referral.episode


def test_a_mistyped_birth_date_is_decided_and_the_enrolment_goes_on_in_the_accepted_referral(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    stated = enrolment(
        referral_number=referral.number,
        identifiers=(),
        birth_date=MISTYPED,
        lessons=((1, enrolment().started_on or MISTYPED),),
    )
    harness.enrol(stated)
    harness.respond(phq9("start", *[2] * 9), phq9("post", *[1] * 8))
    assert len(harness.open_work_items()) == 2  # who this is, and item 9 left blank at post
    decided = decide(harness, SAME)
    assert (decided.id, decided.person) == (referral.episode, referral.person)
    assert (decided.state, decided.share_with_ehr, decided.doubtful) == (EpisodeState.COMMENCED, True, False)
    assert harness.episode() == decided and len(decided.lessons) == 1
    (task,) = harness.published("Task").values()
    assert task["status"] == "in-progress"
    (care,) = harness.published("EpisodeOfCare").values()
    assert (care["id"], care["status"]) == (referral.episode, "active")
    with harness.store.read() as uow:
        assert len(uow.responses.of_episode(referral.episode)) == 2
        assert len(uow.episodes.list_all()) == 1
    (blank,) = harness.open_work_items()
    assert (blank.episode, blank.person) == (referral.episode, referral.person)
    # The next export finds the enrolment where it is now; the birth date is for a person to compare.
    (again,) = harness.enrol(stated)
    assert again.status is RecordingStatus.REPEATED
    assert {item.kind for item in harness.open_work_items()} == {"safety_not_answered", "person_differs"}


def test_an_ended_enrolment_ends_the_referral_it_goes_on_in_and_its_letter_stays_due_once(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    harness.enrol(
        enrolment(
            referral_number=referral.number,
            identifiers=(),
            birth_date=MISTYPED,
            ended_how=Ending.STOPPED,
            end_reason="no time",
        )
    )
    decided = decide(harness, SAME)
    assert (decided.state, decided.end_reason) == (EpisodeState.STOPPED, "no time")
    assert sorted(harness.letters_due()) == sorted(
        [(referral.episode, "receipt"), (referral.episode, "discharge")]
    )


def test_what_is_asked_of_the_enrolment_is_asked_of_the_episode_it_goes_on_in(harness: IntakeHarness) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    stated = enrolment(referral_number=referral.number, identifiers=(), birth_date=MISTYPED)
    harness.enrol(replace(stated, ended_how=Ending.STOPPED))
    harness.enrol(replace(stated, ended_how=Ending.FINISHED))
    decide(harness, SAME)
    (item,) = harness.open_work_items("ending_differs")
    assert (item.about, item.episode) == (f"episode/{referral.episode}", referral.episode)
    harness.enrol(replace(stated, ended_how=Ending.FINISHED))
    assert len(harness.open_work_items("ending_differs")) == 1


def test_a_referral_is_accepted_before_an_enrolment_is_said_to_be_its(harness: IntakeHarness) -> None:
    harness.refer()
    referral = harness.referral()
    harness.enrol(enrolment(referral_number=referral.number, identifiers=(), birth_date=MISTYPED))
    before = harness.versions()
    with pytest.raises(ReferralNotAccepted):
        decide(harness, SAME)
    assert harness.versions() == before and len(harness.open_work_items("who_is_this")) == 1
    harness.accept(referral)
    assert decide(harness, SAME).id == referral.episode


def test_of_several_people_the_clinician_names_one(harness: IntakeHarness) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    harness.enrol(enrolment("one", identifiers=shared))
    harness.enrol(enrolment("two", identifiers=shared, birth_date=MISTYPED))
    decide(harness, ANOTHER)
    harness.enrol(enrolment("three", identifiers=shared))
    for unknown in (None, "patient-of-nobody"):
        with pytest.raises(PersonNotChosen):
            decide(harness, SAME, same_as=unknown)
    two = harness.episode("two").person
    assert decide(harness, SAME, same_as=two).person == two


def test_a_record_in_doubt_itself_is_nobody_to_be_the_same_as(harness: IntakeHarness) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    harness.enrol(enrolment("one", identifiers=shared))
    harness.enrol(enrolment("two", identifiers=shared, birth_date=MISTYPED))
    harness.enrol(enrolment("three", identifiers=shared))
    third = harness.open_work_items("who_is_this")[-1].id
    two = harness.episode("two").person
    with pytest.raises(OtherPersonInDoubt):
        decide(harness, SAME, same_as=two, item=third)
    one = harness.episode("one").person
    assert decide(harness, SAME).person == one  # two is one
    # Named as two, it is whom two was found to be.
    assert decide(harness, SAME, same_as=two, item=third).person == one


@pytest.mark.promise("P15")
def test_a_question_is_decided_once_and_only_this_question_is(harness: IntakeHarness) -> None:
    _doubtful_enrolment(harness)
    (item,) = harness.open_work_items("who_is_this")
    decide(harness, ANOTHER)
    with pytest.raises(ChangedMeanwhile):
        decide(harness, SAME, item=item.id)
    harness.enrol(enrolment("e9", identifiers=(Identifier(MEDICARE, "m-9"),), started_on=None))
    harness.respond(phq9("screening", *[1] * 8, enrolment="e9"))
    (blank,) = harness.open_work_items("safety_not_answered")[-1:]
    with pytest.raises(NotAnIdentityQuestion):
        decide(harness, SAME, item=blank.id)


def test_a_known_person_found_to_be_another_is_re_pointed_with_everything_published(
    harness: IntakeHarness,
) -> None:
    harness.enrol(enrolment("one"), enrolment("two"))
    harness.respond(phq9("start", *[1] * 9, enrolment="two"))
    harness.enrol(replace(enrolment("two"), identifiers=(Identifier(MEDICARE, "m-one"),)))
    double, kept = harness.episode("two").person, harness.episode("one").person
    decided = decide(harness, SAME)
    assert (decided.person, decided.id) == (kept, harness.episode("two").id)
    now = harness.published()
    assert now[f"Patient/{double}"]["link"][0]["other"] == {"reference": f"Patient/{kept}"}
    assert f"Patient/{double}" in harness.queued()  # whoever holds the double is told
    for reference, resource in now.items():
        if not reference.startswith("Patient/"):
            assert f"Patient/{double}" not in str(resource)
