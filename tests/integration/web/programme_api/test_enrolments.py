"""A platform enrols people, says what they did and how it ended; a repeat is answered as the first time."""

import pytest

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import Identifier, SourceId
from fhir_pmp.intake.episode.clinician_decisions import accept_referral
from fhir_pmp.intake.referral.referral_receiving import receive_referral
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.access.clients import ClientKind
from tests.integration.web.programme_api.platform_client import STARTED, Platform, enrolment, faults, person
from tests.integration.web.sample_referral import referral_bundle
from tests.integration.web.web_harness import WebHarness

SOURCE = SourceId("redcap-wide")


@pytest.mark.promise("P6")
def test_a_person_is_enrolled_and_the_same_again_is_answered_as_the_first_time(
    platform: Platform, harness: WebHarness
) -> None:
    first = platform.put("/enrolments/e1", enrolment())
    assert first.status_code == 201
    assert first.json["outcome"] == "accepted" and first.json["state"] == "commenced"
    again = platform.put("/enrolments/e1", dict(reversed(list(enrolment().items()))))
    assert (again.status_code, again.data) == (201, first.data)
    with harness.store.read() as uow:
        found = uow.episodes.find_by_enrolment(SOURCE, "e1")
        assert found is not None
        assert uow.people.get(found.person).identifiers == (Identifier("urn:medicare", "m-1"),)
        assert len(uow.episodes.list_all()) == 1


def test_other_content_under_the_same_id_is_409_unless_it_says_that_it_amends(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    other = enrolment(share_with_ehr=False, person=person(family="Other"))
    refused = platform.put("/enrolments/e1", other)
    assert refused.status_code == 409
    assert faults(refused) == ["person.family", "share_with_ehr"]
    assert "Other" not in refused.text
    amended = platform.put("/enrolments/e1", {**other, "amends": True})
    assert (amended.status_code, amended.json["outcome"]) == (200, "amended")
    with harness.store.read() as uow:
        found = uow.episodes.find_by_enrolment(SOURCE, "e1")
        assert found is not None and not found.share_with_ehr
    again = platform.put("/enrolments/e1", {**other, "amends": True})
    assert (again.status_code, again.data) == (200, amended.data)
    # What was said first is still answered as it was then, and changes nothing.
    assert platform.put("/enrolments/e1", enrolment()).status_code == 201
    assert platform.get("/enrolments/e1").json["share_with_ehr"] is False


def test_an_amendment_back_and_forth_takes_effect_each_time(platform: Platform) -> None:
    platform.enrol()
    for shares in (False, True, False):
        answer = platform.put("/enrolments/e1", enrolment(share_with_ehr=shares, amends=True))
        assert answer.json["outcome"] == "amended"
        assert platform.get("/enrolments/e1").json["share_with_ehr"] is shares


@pytest.mark.promise("P12")
def test_consent_that_is_not_given_is_no(platform: Platform) -> None:
    body = enrolment()
    del body["share_with_ehr"]
    platform.put("/enrolments/e1", body)
    assert platform.get("/enrolments/e1").json["share_with_ehr"] is False


def test_an_enrolment_is_read_as_it_stands(platform: Platform) -> None:
    who = platform.enrol(enrolled_on="2026-01-01")
    platform.put("/enrolments/e1/lessons/1", {"completed_on": "2026-01-06"})
    platform.put("/enrolments/e1/ending", {"how": "stopped", "on": "2026-02-01", "reason": "no time"})
    assert platform.get("/enrolments/e1").json == {
        "enrolment": "e1",
        "person": who,
        "state": "stopped",
        "in_doubt": False,
        "share_with_ehr": True,
        "referral_number": None,
        "enrolled_on": "2026-01-01",
        "started_on": STARTED,
        "ended_on": "2026-02-01",
        "end_reason": "no time",
        "lessons": [{"number": 1, "completed_on": "2026-01-06"}],
    }


def test_lessons_are_said_one_by_one_and_another_day_amends(platform: Platform) -> None:
    platform.enrol()
    first = platform.put("/enrolments/e1/lessons/2", {"completed_on": "2026-01-12"})
    assert (first.status_code, first.json["outcome"]) == (200, "amended")
    assert platform.put("/enrolments/e1/lessons/2", {"completed_on": "2026-01-12"}).data == first.data
    other = platform.put("/enrolments/e1/lessons/2", {"completed_on": "2026-01-13"})
    assert (other.status_code, faults(other)) == (409, ["completed_on"])
    platform.put("/enrolments/e1/lessons/2", {"completed_on": "2026-01-13", "amends": True})
    platform.put("/enrolments/e1/lessons/1", {"completed_on": "2026-01-06"})
    assert platform.get("/enrolments/e1").json["lessons"] == [
        {"number": 1, "completed_on": "2026-01-06"},
        {"number": 2, "completed_on": "2026-01-13"},
    ]
    # The enrolment stated again keeps them.
    platform.put("/enrolments/e1", enrolment(enrolled_on="2026-01-01", amends=True))
    assert len(platform.get("/enrolments/e1").json["lessons"]) == 2


LESSONS = {
    "before the start": ("1", "2026-01-01", 400, ["completed_on"]),
    "to come": ("1", "2026-12-01", 400, ["completed_on"]),
    "one the programme does not have": ("6", "2026-01-06", 400, ["completed_on"]),
    "no number": ("first", "2026-01-06", 404, [""]),
    "a number with a nought in front": ("01", "2026-01-06", 404, [""]),
}


@pytest.mark.parametrize(("lesson", "day", "status", "fields"), LESSONS.values(), ids=LESSONS)
def test_a_lesson_that_cannot_be_is_refused(
    platform: Platform, lesson: str, day: str, status: int, fields: list[str]
) -> None:
    platform.enrol()
    answer = platform.put(f"/enrolments/e1/lessons/{lesson}", {"completed_on": day})
    assert (answer.status_code, faults(answer)) == (status, fields)


def test_an_ending_is_said_once_and_amended_only_in_day_and_reason(
    platform: Platform, harness: WebHarness
) -> None:
    platform.enrol()
    body = {"how": "stopped", "on": "2026-02-01", "reason": "no time"}
    first = platform.put("/enrolments/e1/ending", body)
    assert (first.status_code, first.json["state"]) == (200, "stopped")
    assert platform.put("/enrolments/e1/ending", body).data == first.data
    assert faults(platform.put("/enrolments/e1/ending", {**body, "on": "2026-02-02"})) == ["on"]
    assert faults(platform.put("/enrolments/e1/ending", {**body, "reason": "other"})) == ["reason"]
    platform.put("/enrolments/e1/ending", {**body, "reason": "moved away", "amends": True})
    assert platform.get("/enrolments/e1").json["end_reason"] == "moved away"
    otherwise = platform.put("/enrolments/e1/ending", {**body, "how": "finished", "amends": True})
    assert otherwise.status_code == 409
    assert "allows no move" in otherwise.json["faults"][0]["what"]
    with harness.store.read() as uow:
        assert len(uow.letters_due.list_all()) == 1


def test_a_move_that_is_not_listed_is_refused_and_names_those_that_are(platform: Platform) -> None:
    platform.enrol(started_on="2026-01-05")
    answer = platform.put("/enrolments/e1/ending", {"how": "never_started", "on": "2026-02-01"})
    assert (answer.status_code, faults(answer)) == (400, ["how"])
    platform.put("/enrolments/e2", {"person": person(identifiers=[])})
    answer = platform.put("/enrolments/e2/ending", {"how": "finished", "on": "2026-02-01"})
    assert answer.status_code == 409
    assert "commence, never_start" in answer.json["faults"][0]["what"]


def test_an_enrolment_of_another_platform_is_not_found(platform: Platform, harness: WebHarness) -> None:
    who = platform.enrol()
    harness.client(ClientKind.PLATFORM, "stranger", source=SourceId("answers-long"))
    # answers-long repeats the enrolment ids of redcap-wide: it is the same platform by another export.
    assert Platform(harness, "stranger").get("/enrolments/e1").status_code == 200
    for path in ("/enrolments/e2", "/people/patient-" + "0" * 32 + "/outcomes"):
        answer = platform.get(path)
        assert (answer.status_code, len(faults(answer))) == (404, 1)
    assert platform.put("/enrolments/e2/lessons/1", {"completed_on": "2026-01-06"}).status_code == 404
    assert platform.put("/enrolments/e2/ending", {"how": "stopped", "on": "2026-01-06"}).status_code == 404
    assert who


def test_a_referred_person_joins_by_our_number_once_the_referral_is_accepted(
    platform: Platform, harness: WebHarness
) -> None:
    with harness.store.read() as uow:
        practice = uow.clients.find_by_name("practice")
    assert practice is not None
    raw = write_canonical(referral_bundle("1"))
    receive_referral(harness.store, harness.web_context.publishing, practice, raw, harness.clock())
    with harness.store.read() as uow:
        (episode,) = uow.episodes.list_all()
        number = uow.referrals.of_episodes([episode.id])[episode.id].number
    body = enrolment(referral_number=number)
    waits = platform.put("/enrolments/e1", body)
    assert (waits.status_code, faults(waits)) == (409, ["referral_number"])
    with harness.store.read() as uow:
        assert [item.kind for item in uow.work_items.list_open()] == ["enrolment_waits"]
    with harness.store.begin() as uow:
        accept_referral(uow, harness.web_context.publishing, episode.id, by="ada", now=harness.clock())
    joined = platform.put("/enrolments/e1", body)
    assert (joined.status_code, joined.json["person"]) == (201, episode.person)
    assert platform.get("/enrolments/e1").json["referral_number"] == number
    with harness.store.read() as uow:
        assert uow.episodes.get(episode.id).state is EpisodeState.COMMENCED


def test_who_may_be_somebody_known_is_taken_and_said_to_be_in_doubt(platform: Platform) -> None:
    platform.enrol()
    answer = platform.put("/enrolments/e2", enrolment(person=person(birth_date="1980-05-05")))
    assert (answer.status_code, answer.json["in_doubt"]) == (201, True)


def test_the_practice_that_letters_go_to_is_named_with_its_doctor(
    platform: Platform, harness: WebHarness
) -> None:
    practice = {
        "identifier": {"system": "urn:practices", "value": "p9"},
        "name": "Ninth Practice",
        "practitioner": {"identifier": {"system": "urn:gps", "value": "g9"}, "name": "Dr Gee"},
    }
    platform.enrol(practice=practice)
    platform.put("/enrolments/e1/lessons/1", {"completed_on": "2026-01-06"})
    with harness.store.read() as uow:
        found = uow.episodes.find_by_enrolment(SOURCE, "e1")
    assert found is not None and found.practice is not None
    assert (found.practice.organization_name, found.practice.practitioner_name) == (
        "Ninth Practice",
        "Dr Gee",
    )
