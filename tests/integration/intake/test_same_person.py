"""A clinician says who a doubtful record is: what moves, what is published then, and what stays another's."""

from dataclasses import replace

import pytest

from fhir_pmp.identifiers import Identifier, PersonId
from fhir_pmp.intake.arrivals import Ending, Fate
from fhir_pmp.intake.decisions import acknowledge_flag
from fhir_pmp.intake.identity import ReferralNotAccepted
from fhir_pmp.intake.same_person import (
    Decision,
    NotThisQuestion,
    OtherInDoubt,
    WhichPerson,
    decide_same_person,
)
from fhir_pmp.pathway.facts import Episode, EpisodeState
from fhir_pmp.store.errors import ChangedMeanwhile
from fhir_pmp.store.readers import Reader
from tests.integration.intake.house import BORN, MEDICARE, House, enrolment, gad7, phq9

GP_MEDICARE = "urn:medicare"
MISTYPED = BORN.replace(day=3)
SAME, ANOTHER = Decision.SAME_PERSON, Decision.ANOTHER_PERSON


def decide(
    house: House, decision: Decision, *, same_as: str | None = None, item: int | None = None
) -> Episode:
    """The clinician decides the one open question."""
    number = house.work("who_is_this")[0].id if item is None else item
    house.now = house._tick()
    with house.store.begin() as books:
        return decide_same_person(
            books,
            house.clinic,
            house.publisher,
            number,
            decision,
            by="account:ada",
            now=house.now,
            same_as=None if same_as is None else PersonId(same_as),
        )


def _doubtful_enrolment(house: House) -> None:
    """e1 and e2 bear one Medicare number and different birth dates; e2 is in doubt, with responses and a flag."""
    house.enrol(enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)))
    house.enrol(enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED))
    house.respond(
        phq9("start", *[2] * 9, enrolment="e2"),
        phq9("post", *[1] * 8, 0, enrolment="e2"),
        gad7("start", *[1] * 7, enrolment="e2"),
    )


def test_the_same_person_takes_the_record_over_and_it_is_published_under_them(house: House) -> None:
    _doubtful_enrolment(house)
    before = house.versions()
    known = house.episode("e1").person
    decided = decide(house, SAME)
    assert (decided.person, decided.doubtful) == (known, False)
    assert house.work() == []
    new = house.moved_since(before)
    assert sorted(ref.partition("/")[0] for ref in new) == sorted(
        ["EpisodeOfCare", "Flag"]
        + ["QuestionnaireResponse"] * 3
        + ["Observation"] * 6  # three totals, two answers to item 9, one change
    )
    for reference in new:
        resource = house.published()[reference]
        who = resource.get("subject") or resource["patient"]
        assert who == {"reference": f"Patient/{known}"}
    assert len(house.published("Patient")) == 1
    assert set(new) <= set(house.queued())
    with house.store.read() as books:
        assert {one.response.person for one in books.responses.of_episode(decided.id)} == {known}
        assert [flag.person for flag in books.flags.list_open()] == [known]
        assert [move.event for move in books.episodes.history(decided.id)][-2:] == ["same person", "doubt"]


def test_another_person_is_published_as_a_person_of_their_own(house: House) -> None:
    _doubtful_enrolment(house)
    before = house.versions()
    decided = decide(house, ANOTHER)
    assert decided.person != house.episode("e1").person
    assert not house.episode("e2").doubtful
    assert house.work() == []
    assert len(house.published("Patient")) == 2
    assert all(
        f"Patient/{decided.person}" in str(house.published()[ref]) or ref == f"Patient/{decided.person}"
        for ref in house.moved_since(before)
    )


def test_without_consent_the_lifted_record_is_published_and_not_queued(house: House) -> None:
    house.enrol(enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)))
    house.enrol(
        enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED, share_with_ehr=False)
    )
    house.respond(phq9("start", *[2] * 9, enrolment="e2"))
    queued = house.queued()
    decide(house, ANOTHER)
    assert house.published("QuestionnaireResponse")
    assert house.queued() == queued


def test_an_acknowledged_flag_and_a_withdrawn_response_of_the_doubtful_time_come_out_as_they_stand(
    house: House,
) -> None:
    _doubtful_enrolment(house)
    with house.store.begin() as books:
        (flag,) = books.flags.list_open()
        acknowledge_flag(
            books, house.clinic, house.publisher, flag.id, by="Dr Ada", action="called", now=house.now
        )
    with house.store.read() as books:
        gad = [
            r.response.id for r in books.responses.of_episode(flag.episode) if r.response.instrument == "gad7"
        ]
    house.withdraw(gad[0])
    house.respond(phq9("post", *[3] * 8, 0, enrolment="e2", amends=True))
    decide(house, SAME)
    assert house.published("Flag")[f"Flag/{flag.id}"]["status"] == "inactive"
    statuses = {one["status"] for one in house.published("QuestionnaireResponse").values()}
    assert statuses == {"completed", "amended"}
    assert f"QuestionnaireResponse/{gad[0]}" not in house.published()


def test_a_flag_whose_response_was_withdrawn_in_the_doubtful_time_points_to_what_is_published(
    house: House,
) -> None:
    _doubtful_enrolment(house)
    with house.store.begin() as books:
        (flag,) = books.flags.list_open()
    house.withdraw(flag.response)
    decide(house, SAME)
    now = house.published()
    raised = now[f"Flag/{flag.id}"]
    assert raised["status"] == "active"  # a withdrawal lowers no flag
    answer = now[raised["extension"][0]["valueReference"]["reference"]]
    assert answer["status"] == "entered-in-error"
    assert now[f"QuestionnaireResponse/{flag.response}"]["status"] == "entered-in-error"
    changes = [one for one in now.values() if len(one.get("derivedFrom", [])) == 2]
    assert changes == []  # nothing is left to count from


def test_what_the_platform_says_of_the_double_afterwards_is_no_longer_the_persons_name(house: House) -> None:
    _doubtful_enrolment(house)
    decide(house, SAME)
    patient = house.versions("Patient")
    for _ in range(2):
        house.enrol(
            enrolment("e1", identifiers=(Identifier(MEDICARE, "m-1"),)),
            enrolment("e2", identifiers=(Identifier(MEDICARE, "m-1"),), birth_date=MISTYPED),
        )
    assert house.versions("Patient") == patient
    (item,) = house.work()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["birth_date"])
    # Whoever comes with an identifier of the double is the person that was kept.
    house.enrol(enrolment("e3", identifiers=(Identifier(MEDICARE, "m-1"),)))
    assert house.episode("e3").person == house.episode("e1").person


def _doubtful_referral(house: House) -> None:
    """The export's e1 is known; the GP refers somebody with the same number and another birth date."""
    house.enrol(enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),), birth_date=MISTYPED))
    house.respond(phq9("start", *[1] * 9))
    house.refer("1")


def test_a_referral_of_the_same_person_is_re_pointed_by_new_versions(house: House) -> None:
    _doubtful_referral(house)
    referral, known = house.referral(), house.episode("e1").person
    before = house.versions()
    decided = decide(house, SAME)
    assert (decided.id, decided.person) == (referral.episode, known)
    assert house.referral().person == known
    now = house.published()
    old_patient, new_patient = f"Patient/{referral.person}", f"Patient/{known}"
    assert (now[old_patient]["active"], now[old_patient]["link"]) == (
        False,
        [{"other": {"reference": new_patient}, "type": "replaced-by"}],
    )
    moved = house.moved_since(before)
    assert {ref for ref in moved if ref in before} == {
        old_patient,
        new_patient,  # it stands on the referral's side now
        f"ServiceRequest/{referral.service_request_id}",
        f"Task/{referral.task_id}",
        *now_of(house, "Condition"),
    }
    for reference in moved - {old_patient, new_patient}:
        said = str(now[reference])
        assert new_patient in said and old_patient not in said
    # The record of the known person is left alone, and the practice still finds everything it sent.
    with house.store.read() as books:
        practice = Reader.practice(house.practice.id)
        for reference in (new_patient, f"Task/{referral.task_id}", *now_of(house, "Condition")):
            kind, _, resource_id = reference.partition("/")
            assert books.published.find(practice, kind, resource_id) is not None
        recorded = next(iter(now_of(house, "QuestionnaireResponse"))).partition("/")[2]
        assert books.published.find(practice, "QuestionnaireResponse", recorded) is None


def now_of(house: House, kind: str) -> set[str]:
    """The references of everything published of that type."""
    return set(house.published(kind))


def test_a_referral_of_another_person_goes_on_under_its_own_patient(house: House) -> None:
    _doubtful_referral(house)
    referral = house.referral()
    before = house.versions()
    decided = decide(house, ANOTHER)
    assert (decided.person, decided.doubtful) == (referral.person, False)
    assert house.moved_since(before) == {f"EpisodeOfCare/{referral.episode}"}
    house.accept(referral)
    house.enrol(enrolment("e2", referral_number=referral.number, identifiers=()))
    assert house.episode("e2").id == referral.episode


def test_a_mistyped_birth_date_is_decided_and_the_enrolment_goes_on_in_the_accepted_referral(
    house: House,
) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    said = enrolment(
        referral_number=referral.number,
        identifiers=(),
        birth_date=MISTYPED,
        lessons=((1, enrolment().started_on or MISTYPED),),
    )
    house.enrol(said)
    house.respond(phq9("start", *[2] * 9), phq9("post", *[1] * 8))
    assert len(house.work()) == 2  # who this is, and item 9 left blank at post
    decided = decide(house, SAME)
    assert (decided.id, decided.person) == (referral.episode, referral.person)
    assert (decided.state, decided.share_with_ehr, decided.doubtful) == (EpisodeState.COMMENCED, True, False)
    assert house.episode() == decided and len(decided.lessons) == 1
    (task,) = house.published("Task").values()
    assert task["status"] == "in-progress"
    (care,) = house.published("EpisodeOfCare").values()
    assert (care["id"], care["status"]) == (referral.episode, "active")
    with house.store.read() as books:
        assert len(books.responses.of_episode(referral.episode)) == 2
        assert len(books.episodes.list_all()) == 1
    (blank,) = house.work()
    assert (blank.episode, blank.person) == (referral.episode, referral.person)
    # The next export finds the enrolment where it is now; the birth date is for a person to compare.
    (again,) = house.enrol(said)
    assert again.fate is Fate.REPEATED
    assert {item.kind for item in house.work()} == {"safety_not_answered", "person_differs"}


def test_an_ended_enrolment_ends_the_referral_it_goes_on_in_and_its_letter_stays_due_once(
    house: House,
) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    house.enrol(
        enrolment(
            referral_number=referral.number,
            identifiers=(),
            birth_date=MISTYPED,
            ended_how=Ending.STOPPED,
            end_reason="no time",
        )
    )
    decided = decide(house, SAME)
    assert (decided.state, decided.end_reason) == (EpisodeState.STOPPED, "no time")
    assert sorted(house.letters_due()) == sorted(
        [(referral.episode, "receipt"), (referral.episode, "discharge")]
    )


def test_what_is_asked_of_the_enrolment_is_asked_of_the_episode_it_goes_on_in(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    said = enrolment(referral_number=referral.number, identifiers=(), birth_date=MISTYPED)
    house.enrol(replace(said, ended_how=Ending.STOPPED))
    house.enrol(replace(said, ended_how=Ending.FINISHED))
    decide(house, SAME)
    (item,) = house.work("ending_differs")
    assert (item.about, item.episode) == (f"episode/{referral.episode}", referral.episode)
    house.enrol(replace(said, ended_how=Ending.FINISHED))
    assert len(house.work("ending_differs")) == 1


def test_a_referral_is_accepted_before_an_enrolment_is_said_to_be_its(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.enrol(enrolment(referral_number=referral.number, identifiers=(), birth_date=MISTYPED))
    before = house.versions()
    with pytest.raises(ReferralNotAccepted):
        decide(house, SAME)
    assert house.versions() == before and len(house.work("who_is_this")) == 1
    house.accept(referral)
    assert decide(house, SAME).id == referral.episode


def test_of_several_people_the_clinician_names_one(house: House) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    house.enrol(enrolment("one", identifiers=shared))
    house.enrol(enrolment("two", identifiers=shared, birth_date=MISTYPED))
    decide(house, ANOTHER)
    house.enrol(enrolment("three", identifiers=shared))
    for nobody in (None, "patient-of-nobody"):
        with pytest.raises(WhichPerson):
            decide(house, SAME, same_as=nobody)
    two = house.episode("two").person
    assert decide(house, SAME, same_as=two).person == two


def test_a_record_in_doubt_itself_is_nobody_to_be_the_same_as(house: House) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    house.enrol(enrolment("one", identifiers=shared))
    house.enrol(enrolment("two", identifiers=shared, birth_date=MISTYPED))
    house.enrol(enrolment("three", identifiers=shared))
    third = house.work("who_is_this")[-1].id
    two = house.episode("two").person
    with pytest.raises(OtherInDoubt):
        decide(house, SAME, same_as=two, item=third)
    one = house.episode("one").person
    assert decide(house, SAME).person == one  # two is one
    # Named as two, it is whom two was found to be.
    assert decide(house, SAME, same_as=two, item=third).person == one


def test_a_question_is_decided_once_and_only_this_question_is(house: House) -> None:
    _doubtful_enrolment(house)
    (item,) = house.work("who_is_this")
    decide(house, ANOTHER)
    with pytest.raises(ChangedMeanwhile):
        decide(house, SAME, item=item.id)
    house.enrol(enrolment("e9", identifiers=(Identifier(MEDICARE, "m-9"),), started_on=None))
    house.respond(phq9("screening", *[1] * 8, enrolment="e9"))
    (blank,) = house.work("safety_not_answered")[-1:]
    with pytest.raises(NotThisQuestion):
        decide(house, SAME, item=blank.id)


def test_a_known_person_found_to_be_another_is_re_pointed_with_everything_published(house: House) -> None:
    house.enrol(enrolment("one"), enrolment("two"))
    house.respond(phq9("start", *[1] * 9, enrolment="two"))
    house.enrol(replace(enrolment("two"), identifiers=(Identifier(MEDICARE, "m-one"),)))
    double, kept = house.episode("two").person, house.episode("one").person
    decided = decide(house, SAME)
    assert (decided.person, decided.id) == (kept, house.episode("two").id)
    now = house.published()
    assert now[f"Patient/{double}"]["link"][0]["other"] == {"reference": f"Patient/{kept}"}
    assert f"Patient/{double}" in house.queued()  # whoever holds the double is told
    for reference, resource in now.items():
        if not reference.startswith("Patient/"):
            assert f"Patient/{double}" not in str(resource)
