"""What a platform says of an enrolment: begun, repeated, changed, ended; whose word counts; what is published of it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import DestinationId, Identifier
from fhir_pmp.intake.arrivals import ArrivedPractice, Ending, RecordingStatus
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.remote_state.remote_ids import ASSIGNED_BY_SERVER
from tests.integration.intake.intake_harness import (
    MEDICARE,
    NOW,
    STARTED,
    IntakeHarness,
    enrolment,
    gad7,
    phq9,
)


@pytest.mark.promise("P6")
def test_an_enrolment_is_recorded_and_published_and_the_same_again_changes_nothing(
    harness: IntakeHarness,
) -> None:
    (result,) = harness.enrol(enrolment())
    assert result.status is RecordingStatus.ACCEPTED
    before = harness.versions()
    assert {ref.partition("/")[0] for ref in before} == {"Patient", "EpisodeOfCare"}
    (again,) = harness.enrol(enrolment())
    assert (again.status, again.id) == (RecordingStatus.REPEATED, result.id)
    assert harness.versions() == before


def test_an_episode_moves_by_what_the_platform_knows_and_ends_with_a_letter_due(
    harness: IntakeHarness,
) -> None:
    not_begun = enrolment(started_on=None)
    harness.enrol(not_begun)
    assert harness.episode().state is EpisodeState.ENROLLED
    begun = replace(not_begun, started_on=STARTED, lessons=((1, STARTED),))
    assert harness.enrol(begun)[0].status is RecordingStatus.AMENDED
    assert harness.episode().state is EpisodeState.COMMENCED
    assert harness.letters_due() == []
    ended_on = STARTED + timedelta(days=30)
    harness.enrol(replace(begun, ended_on=ended_on, ended_how=Ending.STOPPED, end_reason="no time"))
    ended = harness.episode()
    assert (ended.state, ended.ended_on, ended.end_reason) == (EpisodeState.STOPPED, ended_on, "no time")
    assert harness.letters_due() == [(ended.id, "discharge")]
    (care,) = harness.published("EpisodeOfCare").values()
    assert (care["status"], care["period"]) == ("finished", {"start": "2026-03-02", "end": "2026-04-01"})
    with harness.store.read() as uow:
        moves = [(move.event, move.after) for move in uow.episodes.history(ended.id)]
    assert moves == [("enrol", "enrolled"), ("commence", "commenced"), ("stop", "stopped")]


def test_a_whole_course_may_arrive_at_once(harness: IntakeHarness) -> None:
    harness.enrol(
        enrolment(ended_how=Ending.FINISHED, ended_on=date(2026, 4, 30)),
        enrolment("e2", started_on=None, ended_how=Ending.NEVER_STARTED, ended_on=date(2026, 4, 1)),
    )
    assert harness.episode("e1").state is EpisodeState.FINISHED
    assert harness.episode("e2").state is EpisodeState.NEVER_STARTED
    assert len(harness.letters_due()) == 2


CONTRADICTIONS = {
    "a day to come": ({"started_on": date(2026, 11, 21)}, "started_on"),
    "born in the future": ({"birth_date": date(2027, 1, 1)}, "birth_date"),
    "a lesson before the start": ({"lessons": ((1, STARTED - timedelta(days=1)),)}, "lesson_1"),
    "a lesson without a start": ({"started_on": None, "lessons": ((1, STARTED),)}, "started_on"),
    "a lesson the programme does not have": ({"lessons": ((6, STARTED),)}, "lesson_6"),
    "one lesson twice": ({"lessons": ((1, STARTED), (1, STARTED))}, "lessons"),
    "an ending without saying how": ({"ended_on": date(2026, 4, 1)}, "ended_how"),
    "never started, and started": ({"ended_how": Ending.NEVER_STARTED}, "ended_how"),
    "stopped before it began": ({"started_on": None, "ended_how": Ending.STOPPED}, "episode"),
    "a start in the calendar's first days": ({"started_on": date(1, 1, 2)}, "started_on"),
    "a referral number of nobody": ({"referral_number": "R-000000000000"}, "referral_number"),
}


@pytest.mark.parametrize(("stated", "field"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_cannot_be_true_is_refused_and_leaves_nothing_behind(
    harness: IntakeHarness, stated: dict[str, object], field: str
) -> None:
    good, bad = enrolment("good"), enrolment("bad", **stated)
    accepted, refused = harness.enrol(good, bad)
    assert (accepted.status, refused.status) == (RecordingStatus.ACCEPTED, RecordingStatus.REFUSED)
    assert [fault.field for fault in refused.faults] == [field]
    with harness.store.read() as uow:
        assert uow.people.find(harness.clinic.ids.person_id(bad.source, "bad")) is None
        assert uow.episodes.find_by_enrolment(bad.source, "bad") is None
    # The same said of somebody who is known changes nothing either.
    before = harness.versions()
    (refused,) = harness.enrol(replace(bad, enrolment="good", identifiers=good.identifiers, given="Changed"))
    assert refused.status is RecordingStatus.REFUSED
    assert harness.person(harness.episode("good")).given == "Ann"
    assert harness.versions() == before


@pytest.mark.promise("P10")
def test_a_refusal_names_who_must_act_and_never_the_value(harness: IntakeHarness) -> None:
    (refused,) = harness.enrol(enrolment(referral_number="R-Smith"))
    assert isinstance(refused.refusal, NotUnderstood)  # the sender corrects it
    assert "referral_number" in str(refused.refusal) and "Smith" not in str(refused.refusal)


@pytest.mark.promise("P12")
def test_consent_given_later_publishes_again_and_queues_and_consent_withdrawn_stops_both(
    harness: IntakeHarness,
) -> None:
    stated = enrolment(share_with_ehr=False)
    harness.enrol(stated)
    harness.respond(phq9("start", *[1] * 9))
    record = harness.versions()
    assert record and harness.queued() == []
    harness.enrol(replace(stated, share_with_ehr=True))
    assert harness.episode().share_with_ehr
    assert harness.versions() == {ref: version + 1 for ref, version in record.items()}
    assert sorted(harness.queued()) == sorted(record)
    harness.enrol(replace(stated, share_with_ehr=False))
    assert not harness.episode().share_with_ehr
    assert harness.queued() == []
    with harness.store.read() as uow:
        events = [move.event for move in uow.episodes.history(harness.episode().id)]
    assert events.count("share_with_ehr") == 2


def test_a_changed_name_is_a_new_version_of_the_patient_and_of_nothing_else(harness: IntakeHarness) -> None:
    harness.enrol(enrolment())
    harness.respond(phq9("start", *[1] * 9))
    before = harness.versions()
    harness.enrol(enrolment(family="Other"))
    (patient,) = harness.published("Patient").values()
    assert patient["name"][0]["family"] == "Other"
    assert harness.changed_since(before) == {f"Patient/{patient['id']}"}


def _found_there(harness: IntakeHarness) -> set[str]:
    """Where a link of e1's Patient is remembered."""
    patient = f"Patient/{harness.episode().person}"
    with harness.store.read() as uow:
        known = ("hospital", "store")
        return {name for name in known if uow.remote_ids.find(DestinationId(name), patient) is not None}


@pytest.mark.parametrize(
    "corrected",
    [{"identifiers": (Identifier(MEDICARE, "m-2"),)}, {"birth_date": date(1970, 1, 3)}],
    ids=["identifier", "birth date"],
)
def test_who_was_found_at_an_ehr_by_what_is_corrected_is_looked_for_again(
    harness: IntakeHarness, corrected: dict[str, Any]
) -> None:
    harness.enrol(enrolment())
    patient = f"Patient/{harness.episode().person}"
    with harness.store.begin() as uow:
        for name, how in (("hospital", "one active match"), ("store", ASSIGNED_BY_SERVER)):
            uow.remote_ids.link(
                DestinationId(name), patient, "Patient/77", how=how, by="sync", now=harness.now
            )
    # Another name or one more identifier says nothing against what was found.
    more = (*enrolment().identifiers, Identifier("urn:hospital", "h-1"))
    harness.enrol(enrolment(given="Anna", identifiers=more))
    assert _found_there(harness) == {"hospital", "store"} and harness.open_work_items() == []
    harness.enrol(enrolment(**{"given": "Anna", "identifiers": more, **corrected}))
    assert _found_there(harness) == {"store"}
    (item,) = harness.open_work_items()
    assert (item.role, item.details["destinations"]) == ("administrator", ["hospital"])


def test_the_practice_that_the_platform_names_is_published_for_those_nobody_referred(
    harness: IntakeHarness,
) -> None:
    practice = ArrivedPractice(
        Identifier("urn:practices", "p9"), "Ninth Practice", Identifier("urn:gps", "g9"), "Dr Gee"
    )
    harness.enrol(enrolment(practice=practice))
    found = harness.episode().practice
    assert found is not None and found.organization_name == "Ninth Practice"
    with harness.store.read() as uow:
        assert uow.published.counts_by_type()["Organization"] == 1


def test_another_day_of_starting_moves_the_changes_and_what_they_count_from(harness: IntakeHarness) -> None:
    stated = enrolment()
    harness.enrol(stated)
    harness.respond(phq9("start", *[2] * 9), phq9("post", *[1] * 9))
    change = harness.clinic.ids.change_id(
        harness.episode().id,
        *("phq9", "total", "post"),  # type: ignore[arg-type]
    )
    before = harness.versions()
    assert harness.published()[f"Observation/{change}"]["status"] == "final"
    # Start was answered on the day that now lies 20 days before the start: outside its window, so no baseline.
    harness.enrol(replace(stated, started_on=STARTED + timedelta(days=20)))
    assert harness.published()[f"Observation/{change}"]["status"] == "entered-in-error"
    care = f"EpisodeOfCare/{harness.episode().id}"
    assert harness.changed_since(before) == {f"Observation/{change}", care}
    harness.enrol(stated)
    back = harness.published()[f"Observation/{change}"]
    assert (back["status"], back["valueQuantity"]["value"]) == ("amended", -9)


def test_an_enrolment_that_does_not_say_it_amends_is_refused_where_it_differs(harness: IntakeHarness) -> None:
    harness.enrol(enrolment())
    assert harness.enrol(enrolment(amends=False))[0].status is RecordingStatus.REPEATED
    (refused,) = harness.enrol(enrolment(amends=False, family="Other", share_with_ehr=False))
    assert refused.status is RecordingStatus.REFUSED
    assert [fault.field for fault in refused.faults] == ["family", "share_with_ehr"]
    assert harness.episode().share_with_ehr
    assert harness.enrol(enrolment(amends=True, family="Other"))[0].status is RecordingStatus.AMENDED


def test_another_ending_than_the_recorded_one_is_for_a_person_to_compare(harness: IntakeHarness) -> None:
    stopped = enrolment(ended_how=Ending.STOPPED, ended_on=date(2026, 4, 1), end_reason="no time")
    harness.enrol(stopped)
    harness.enrol(replace(stopped, ended_how=Ending.FINISHED, ended_on=date(2026, 4, 30), end_reason=None))
    ended = harness.episode()
    assert (ended.state, ended.ended_on) == (EpisodeState.STOPPED, date(2026, 4, 1))
    assert [item.kind for item in harness.open_work_items()] == ["ending_differs"]


def test_one_person_enrols_again_by_an_exact_identifier_and_birth_date(harness: IntakeHarness) -> None:
    harness.enrol(enrolment("first"))
    harness.enrol(enrolment("second", identifiers=(Identifier(MEDICARE, "m-first"),)))
    first, second = harness.episode("first"), harness.episode("second")
    assert first.person == second.person and first.id != second.id
    assert not second.doubtful and harness.open_work_items() == []


def test_of_two_records_of_one_person_the_first_owns_the_name(harness: IntakeHarness) -> None:
    again = enrolment("second", identifiers=(Identifier(MEDICARE, "m-first"),), family="Other")
    harness.enrol(enrolment("first"))
    for _ in range(2):  # an export comes again and again
        harness.enrol(enrolment("first"), again)
    assert harness.person(harness.episode("second")).family == "Example"
    assert harness.versions("Patient").popitem()[1] == 1
    (item,) = harness.open_work_items()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["family"])
    assert item.details["said"] == {"family": "Other"}


def test_what_a_person_has_decided_does_not_come_back_with_the_next_export(harness: IntakeHarness) -> None:
    first = enrolment("first")
    again = enrolment("second", identifiers=first.identifiers, family="Other")
    harness.enrol(first, again)
    (item,) = harness.open_work_items("person_differs")
    with harness.store.begin() as uow:
        uow.work_items.close(item.id, by="ada", how="asked, and it is a married name", now=NOW)
    harness.enrol(first, again)
    assert harness.open_work_items() == []
    harness.enrol(replace(again, family="Third"))
    assert [one.kind for one in harness.open_work_items()] == ["person_differs"]


def test_the_same_enrolment_twice_in_one_batch_counts_once_and_the_newest_statement_stands(
    harness: IntakeHarness,
) -> None:
    results = harness.enrol(enrolment(), enrolment(), enrolment(family="Other"))
    assert [one.status for one in results] == [
        RecordingStatus.ACCEPTED,
        RecordingStatus.REPEATED,
        RecordingStatus.AMENDED,
    ]
    assert harness.person(harness.episode()).family == "Other"


DOUBTS = {
    "another birth date": {"identifiers": (Identifier(MEDICARE, "m-known"),), "birth_date": date(1980, 5, 5)},
    "an identifier of the same system has another value": {
        "identifiers": (Identifier("urn:other", "7"), Identifier(MEDICARE, "m-another"))
    },
}


@pytest.mark.promise("P9", "P15")
@pytest.mark.parametrize("stated", DOUBTS.values(), ids=DOUBTS)
def test_who_may_be_somebody_known_is_recorded_scored_and_flagged_and_not_published(
    harness: IntakeHarness, stated: dict[str, object]
) -> None:
    harness.enrol(
        enrolment("known", identifiers=(Identifier(MEDICARE, "m-known"), Identifier("urn:other", "7")))
    )
    before = harness.versions()
    harness.enrol(enrolment("e1", **stated))
    harness.respond(phq9("start", *[0] * 8, 1), gad7("start", *[0] * 7))
    doubtful = harness.episode("e1")
    assert doubtful.doubtful and doubtful.person != harness.episode("known").person
    assert harness.versions() == before
    (item,) = harness.open_work_items("who_is_this")
    assert item.details["others"] == [harness.episode("known").person]
    with harness.store.read() as uow:
        (flag,) = uow.flags.list_open()
        assert [len(one.scores) for one in uow.responses.of_episode(doubtful.id)] == [1, 1]
    assert flag.episode == doubtful.id
    # The known person's care goes on meanwhile.
    harness.respond(phq9("start", *[0] * 9, enrolment="known"))
    assert harness.changed_since(before)


@pytest.mark.promise("P15")
def test_an_identifier_that_several_people_bear_decides_nothing(harness: IntakeHarness) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    harness.enrol(enrolment("one", identifiers=shared))
    harness.enrol(enrolment("two", identifiers=shared, birth_date=date(2001, 1, 1)))
    harness.enrol(enrolment("three", identifiers=shared))
    assert harness.episode("three").doubtful
    third = harness.open_work_items("who_is_this")[-1]
    assert set(third.details["others"]) == {harness.episode("one").person, harness.episode("two").person}


@pytest.mark.promise("P15")
def test_nobody_is_matched_by_name_and_birth_date_alone(harness: IntakeHarness) -> None:
    harness.enrol(enrolment("one"), enrolment("two"))
    assert harness.episode("one").person != harness.episode("two").person
    assert harness.open_work_items() == []


def test_a_known_person_who_is_given_somebody_elses_identifier_is_a_question_and_goes_on(
    harness: IntakeHarness,
) -> None:
    harness.enrol(enrolment("one"), enrolment("two"))
    harness.enrol(enrolment("two", identifiers=(Identifier(MEDICARE, "m-one"),)))
    two = harness.episode("two")
    assert not two.doubtful
    (item,) = harness.open_work_items()
    assert (item.kind, item.episode) == ("who_is_this", two.id)
    assert item.details["others"] == [harness.episode("one").person]
