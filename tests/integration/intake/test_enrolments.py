"""What a platform says of an enrolment: begun, repeated, changed, ended; whose word counts; what is published of it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import DestinationId, Identifier
from fhir_pmp.intake.arrivals import ArrivedPractice, Ending, Fate
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.neighbours import NAMED_BY_SERVER
from tests.integration.intake.house import MEDICARE, NOW, STARTED, House, enrolment, gad7, phq9


def test_an_enrolment_is_recorded_and_published_and_the_same_again_changes_nothing(house: House) -> None:
    (receipt,) = house.enrol(enrolment())
    assert receipt.fate is Fate.ACCEPTED
    before = house.versions()
    assert {ref.partition("/")[0] for ref in before} == {"Patient", "EpisodeOfCare"}
    (again,) = house.enrol(enrolment())
    assert (again.fate, again.id) == (Fate.REPEATED, receipt.id)
    assert house.versions() == before


def test_an_episode_moves_by_what_the_platform_knows_and_ends_with_a_letter_due(house: House) -> None:
    not_begun = enrolment(started_on=None)
    house.enrol(not_begun)
    assert house.episode().state is EpisodeState.ENROLLED
    begun = replace(not_begun, started_on=STARTED, lessons=((1, STARTED),))
    assert house.enrol(begun)[0].fate is Fate.AMENDED
    assert house.episode().state is EpisodeState.COMMENCED
    assert house.letters_due() == []
    ended_on = STARTED + timedelta(days=30)
    house.enrol(replace(begun, ended_on=ended_on, ended_how=Ending.STOPPED, end_reason="no time"))
    ended = house.episode()
    assert (ended.state, ended.ended_on, ended.end_reason) == (EpisodeState.STOPPED, ended_on, "no time")
    assert house.letters_due() == [(ended.id, "discharge")]
    (care,) = house.published("EpisodeOfCare").values()
    assert (care["status"], care["period"]) == ("finished", {"start": "2026-03-02", "end": "2026-04-01"})
    with house.store.read() as books:
        moves = [(move.event, move.after) for move in books.episodes.history(ended.id)]
    assert moves == [("enrol", "enrolled"), ("commence", "commenced"), ("stop", "stopped")]


def test_a_whole_course_may_arrive_at_once(house: House) -> None:
    house.enrol(
        enrolment(ended_how=Ending.FINISHED, ended_on=date(2026, 4, 30)),
        enrolment("e2", started_on=None, ended_how=Ending.NEVER_STARTED, ended_on=date(2026, 4, 1)),
    )
    assert house.episode("e1").state is EpisodeState.FINISHED
    assert house.episode("e2").state is EpisodeState.NEVER_STARTED
    assert len(house.letters_due()) == 2


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


@pytest.mark.parametrize(("said", "field"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_cannot_be_true_is_refused_and_leaves_nothing_behind(
    house: House, said: dict[str, object], field: str
) -> None:
    good, bad = enrolment("good"), enrolment("bad", **said)
    accepted, refused = house.enrol(good, bad)
    assert (accepted.fate, refused.fate) == (Fate.ACCEPTED, Fate.REFUSED)
    assert [fault.field for fault in refused.faults] == [field]
    with house.store.read() as books:
        assert books.people.find(house.clinic.person_id(bad.source, "bad")) is None
        assert books.episodes.find_by_enrolment(bad.source, "bad") is None
    # The same said of somebody who is known changes nothing either.
    before = house.versions()
    (refused,) = house.enrol(replace(bad, enrolment="good", identifiers=good.identifiers, given="Changed"))
    assert refused.fate is Fate.REFUSED
    assert house.person(house.episode("good")).given == "Ann"
    assert house.versions() == before


def test_a_refusal_names_who_must_act_and_never_the_value(house: House) -> None:
    (refused,) = house.enrol(enrolment(referral_number="R-Smith"))
    assert isinstance(refused.refusal, NotUnderstood)  # the sender corrects it
    assert "referral_number" in str(refused.refusal) and "Smith" not in str(refused.refusal)


def test_consent_given_later_publishes_again_and_queues_and_consent_withdrawn_stops_both(
    house: House,
) -> None:
    said = enrolment(share_with_ehr=False)
    house.enrol(said)
    house.respond(phq9("start", *[1] * 9))
    record = house.versions()
    assert record and house.queued() == []
    house.enrol(replace(said, share_with_ehr=True))
    assert house.episode().share_with_ehr
    assert house.versions() == {ref: version + 1 for ref, version in record.items()}
    assert sorted(house.queued()) == sorted(record)
    house.enrol(replace(said, share_with_ehr=False))
    assert not house.episode().share_with_ehr
    assert house.queued() == []
    with house.store.read() as books:
        events = [move.event for move in books.episodes.history(house.episode().id)]
    assert events.count("share_with_ehr") == 2


def test_a_changed_name_is_a_new_version_of_the_patient_and_of_nothing_else(house: House) -> None:
    house.enrol(enrolment())
    house.respond(phq9("start", *[1] * 9))
    before = house.versions()
    house.enrol(enrolment(family="Other"))
    (patient,) = house.published("Patient").values()
    assert patient["name"][0]["family"] == "Other"
    assert house.moved_since(before) == {f"Patient/{patient['id']}"}


def _found_there(house: House) -> set[str]:
    """Where a link of e1's Patient is remembered."""
    patient = f"Patient/{house.episode().person}"
    with house.store.read() as books:
        known = ("hospital", "store")
        return {
            name for name in known if books.destination_ids.find(DestinationId(name), patient) is not None
        }


@pytest.mark.parametrize(
    "corrected",
    [{"identifiers": (Identifier(MEDICARE, "m-2"),)}, {"birth_date": date(1970, 1, 3)}],
    ids=["identifier", "birth date"],
)
def test_who_was_found_at_an_ehr_by_what_is_corrected_is_looked_for_again(
    house: House, corrected: dict[str, Any]
) -> None:
    house.enrol(enrolment())
    patient = f"Patient/{house.episode().person}"
    with house.store.begin() as books:
        for name, how in (("hospital", "one active match"), ("store", NAMED_BY_SERVER)):
            books.destination_ids.link(
                DestinationId(name), patient, "Patient/77", how=how, by="sync", now=house.now
            )
    # Another name or one more identifier says nothing against what was found.
    more = (*enrolment().identifiers, Identifier("urn:hospital", "h-1"))
    house.enrol(enrolment(given="Anna", identifiers=more))
    assert _found_there(house) == {"hospital", "store"} and house.work() == []
    house.enrol(enrolment(**{"given": "Anna", "identifiers": more, **corrected}))
    assert _found_there(house) == {"store"}
    (item,) = house.work()
    assert (item.role, item.details["destinations"]) == ("administrator", ["hospital"])


def test_the_practice_that_the_platform_names_is_published_for_those_nobody_referred(house: House) -> None:
    practice = ArrivedPractice(
        Identifier("urn:practices", "p9"), "Ninth Practice", Identifier("urn:gps", "g9"), "Dr Gee"
    )
    house.enrol(enrolment(practice=practice))
    found = house.episode().practice
    assert found is not None and found.organization_name == "Ninth Practice"
    with house.store.read() as books:
        assert books.published.counts_by_type()["Organization"] == 1


def test_another_day_of_starting_moves_the_changes_and_what_they_count_from(house: House) -> None:
    said = enrolment()
    house.enrol(said)
    house.respond(phq9("start", *[2] * 9), phq9("post", *[1] * 9))
    change = house.clinic.change_id(
        house.episode().id,
        *("phq9", "total", "post"),  # type: ignore[arg-type]
    )
    before = house.versions()
    assert house.published()[f"Observation/{change}"]["status"] == "final"
    # Start was answered on the day that now lies 20 days before the start: outside its window, so no baseline.
    house.enrol(replace(said, started_on=STARTED + timedelta(days=20)))
    assert house.published()[f"Observation/{change}"]["status"] == "entered-in-error"
    care = f"EpisodeOfCare/{house.episode().id}"
    assert house.moved_since(before) == {f"Observation/{change}", care}
    house.enrol(said)
    back = house.published()[f"Observation/{change}"]
    assert (back["status"], back["valueQuantity"]["value"]) == ("amended", -9)


def test_an_enrolment_that_does_not_say_it_amends_is_refused_where_it_differs(house: House) -> None:
    house.enrol(enrolment())
    assert house.enrol(enrolment(amends=False))[0].fate is Fate.REPEATED
    (refused,) = house.enrol(enrolment(amends=False, family="Other", share_with_ehr=False))
    assert refused.fate is Fate.REFUSED
    assert [fault.field for fault in refused.faults] == ["family", "share_with_ehr"]
    assert house.episode().share_with_ehr
    assert house.enrol(enrolment(amends=True, family="Other"))[0].fate is Fate.AMENDED


def test_another_ending_than_the_recorded_one_is_for_a_person_to_compare(house: House) -> None:
    stopped = enrolment(ended_how=Ending.STOPPED, ended_on=date(2026, 4, 1), end_reason="no time")
    house.enrol(stopped)
    house.enrol(replace(stopped, ended_how=Ending.FINISHED, ended_on=date(2026, 4, 30), end_reason=None))
    ended = house.episode()
    assert (ended.state, ended.ended_on) == (EpisodeState.STOPPED, date(2026, 4, 1))
    assert [item.kind for item in house.work()] == ["ending_differs"]


def test_one_person_enrols_again_by_an_exact_identifier_and_birth_date(house: House) -> None:
    house.enrol(enrolment("first"))
    house.enrol(enrolment("second", identifiers=(Identifier(MEDICARE, "m-first"),)))
    first, second = house.episode("first"), house.episode("second")
    assert first.person == second.person and first.id != second.id
    assert not second.doubtful and house.work() == []


def test_of_two_records_of_one_person_the_first_owns_the_name(house: House) -> None:
    again = enrolment("second", identifiers=(Identifier(MEDICARE, "m-first"),), family="Other")
    house.enrol(enrolment("first"))
    for _ in range(2):  # an export comes again and again
        house.enrol(enrolment("first"), again)
    assert house.person(house.episode("second")).family == "Example"
    assert house.versions("Patient").popitem()[1] == 1
    (item,) = house.work()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["family"])
    assert item.details["said"] == {"family": "Other"}


def test_what_a_person_has_decided_does_not_come_back_with_the_next_export(house: House) -> None:
    first = enrolment("first")
    again = enrolment("second", identifiers=first.identifiers, family="Other")
    house.enrol(first, again)
    (item,) = house.work("person_differs")
    with house.store.begin() as books:
        books.work_items.close(item.id, by="ada", how="asked, and it is a married name", now=NOW)
    house.enrol(first, again)
    assert house.work() == []
    house.enrol(replace(again, family="Third"))
    assert [one.kind for one in house.work()] == ["person_differs"]


def test_the_same_enrolment_twice_in_one_batch_counts_once_and_the_newest_statement_stands(
    house: House,
) -> None:
    receipts = house.enrol(enrolment(), enrolment(), enrolment(family="Other"))
    assert [one.fate for one in receipts] == [Fate.ACCEPTED, Fate.REPEATED, Fate.AMENDED]
    assert house.person(house.episode()).family == "Other"


DOUBTS = {
    "another birth date": {"identifiers": (Identifier(MEDICARE, "m-known"),), "birth_date": date(1980, 5, 5)},
    "an identifier of the same system has another value": {
        "identifiers": (Identifier("urn:other", "7"), Identifier(MEDICARE, "m-another"))
    },
}


@pytest.mark.parametrize("said", DOUBTS.values(), ids=DOUBTS)
def test_who_may_be_somebody_known_is_recorded_scored_and_flagged_and_not_published(
    house: House, said: dict[str, object]
) -> None:
    house.enrol(
        enrolment("known", identifiers=(Identifier(MEDICARE, "m-known"), Identifier("urn:other", "7")))
    )
    before = house.versions()
    house.enrol(enrolment("e1", **said))
    house.respond(phq9("start", *[0] * 8, 1), gad7("start", *[0] * 7))
    doubtful = house.episode("e1")
    assert doubtful.doubtful and doubtful.person != house.episode("known").person
    assert house.versions() == before
    (item,) = house.work("who_is_this")
    assert item.details["others"] == [house.episode("known").person]
    with house.store.read() as books:
        (flag,) = books.flags.list_open()
        assert [len(one.scores) for one in books.responses.of_episode(doubtful.id)] == [1, 1]
    assert flag.episode == doubtful.id
    # The known person's care goes on meanwhile.
    house.respond(phq9("start", *[0] * 9, enrolment="known"))
    assert house.moved_since(before)


def test_an_identifier_that_several_people_bear_decides_nothing(house: House) -> None:
    shared = (Identifier("urn:family-card", "1"),)
    house.enrol(enrolment("one", identifiers=shared))
    house.enrol(enrolment("two", identifiers=shared, birth_date=date(2001, 1, 1)))
    house.enrol(enrolment("three", identifiers=shared))
    assert house.episode("three").doubtful
    third = house.work("who_is_this")[-1]
    assert set(third.details["others"]) == {house.episode("one").person, house.episode("two").person}


def test_nobody_is_matched_by_name_and_birth_date_alone(house: House) -> None:
    house.enrol(enrolment("one"), enrolment("two"))
    assert house.episode("one").person != house.episode("two").person
    assert house.work() == []


def test_a_known_person_who_is_given_somebody_elses_identifier_is_a_question_and_goes_on(
    house: House,
) -> None:
    house.enrol(enrolment("one"), enrolment("two"))
    house.enrol(enrolment("two", identifiers=(Identifier(MEDICARE, "m-one"),)))
    two = house.episode("two")
    assert not two.doubtful
    (item,) = house.work()
    assert (item.kind, item.episode) == ("who_is_this", two.id)
    assert item.details["others"] == [house.episode("one").person]
