"""A GP refers: kept before it is understood, recorded whole, repeated, differing, doubtful, cancelled; and joined."""

import copy
from typing import Any

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import BodyTooLarge, NotStrictJson, read_fhir_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import ClientId, Identifier, ResourceId
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.matching.person_match import ReferralNotAccepted
from fhir_pmp.intake.referral import referral_receiving as receiving
from fhir_pmp.intake.referral.referral_cancellation import OnlyCancellationAllowed, cancel_referral
from fhir_pmp.intake.referral.referral_receiving import (
    CHANNEL,
    LARGEST_BUNDLE,
    ReferralDiffers,
    receive_referral,
)
from fhir_pmp.intake.referral.resume_referrals import resume_referrals
from fhir_pmp.pathway.episode_states import MoveNotListed
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.access.clients import Client, ClientKind
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.inbox import ArrivalState
from tests.integration.intake.intake_harness import IntakeHarness, enrolment, phq9
from tests.integration.web.sample_referral import referral_bundle

Resource = dict[str, Any]
GP_MEDICARE = "urn:medicare"  # the system that `referral_bundle` uses


def task_of(harness: IntakeHarness, name: str = "1") -> Resource:
    """The referral's Task, as published."""
    return harness.published("Task")[f"Task/{harness.referral(name).task_id}"]


def answered(harness: IntakeHarness, answer: receiving.ReferralAnswer) -> list[Resource]:
    """What each entry was answered."""
    bundle = read_fhir_json(answer.body, max_bytes=len(answer.body))
    return [entry["response"] for entry in bundle["entry"]]


def test_a_referral_is_recorded_published_and_answered_entry_by_entry(harness: IntakeHarness) -> None:
    answer = harness.refer()
    referral = harness.referral()
    episode = harness.episode_of(referral)
    assert (episode.state, episode.share_with_ehr, episode.doubtful) == (EpisodeState.REFERRED, False, False)
    stated = answered(harness, answer)
    assert [one["status"] for one in stated] == ["201 Created"] * 4
    assert [one["location"].split("/")[0] for one in stated] == [
        "Patient",
        "ServiceRequest",
        "Task",
        "Condition",
    ]
    task = task_of(harness)
    assert task["status"] == "received"
    assert task["for"]["reference"] == f"Patient/{referral.person}"
    assert task["focus"]["reference"] == f"ServiceRequest/{referral.service_request_id}"
    assert harness.letters_due() == [(episode.id, "receipt")]
    (condition,) = harness.published("Condition").values()
    assert condition["subject"]["reference"] == f"Patient/{referral.person}"
    with harness.store.read() as uow:
        (kept,) = uow.inbox.list_all(ArrivalState.DONE)
    assert (kept.body, kept.reply_body) == (write_canonical(referral_bundle("1")), answer.body)


@pytest.mark.promise("P6")
def test_the_same_again_gives_the_same_task_whatever_urls_ids_meta_and_text_it_bears(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    before = harness.versions()
    again = copy.deepcopy(referral_bundle("1"))
    spelt = write_canonical(again)
    for entry in again["entry"]:
        old = entry["fullUrl"]
        spelt = spelt.replace(old.encode(), old.replace("urn:uuid:", "https://gp.example/fhir/x").encode())
    bundle = read_fhir_json(spelt, max_bytes=len(spelt))
    for entry in bundle["entry"]:
        entry["resource"] |= {"meta": {"versionId": "7"}, "text": _narrative()}
    answer = harness.receive(bundle)
    assert answer.repeated
    assert [one["status"] for one in answered(harness, answer)] == ["200 OK"] * 4
    assert harness.versions() == before
    assert len(harness.letters_due()) == 1


def _narrative() -> Resource:
    return {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">the same</div>'}


def test_other_clinical_content_under_the_same_key_is_kept_refused_and_compared_by_a_person(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    before = harness.versions()
    for _ in range(2):
        with pytest.raises(ReferralDiffers):
            harness.refer(reason="Another reason")
    assert harness.versions() == before
    (item,) = harness.open_work_items()
    assert (item.kind, item.about) == ("referral_differs", f"referral/{harness.referral().id}")
    with harness.store.read() as uow:
        arrivals = [uow.inbox.get(number) for number in item.details["inbox"]]
    assert [one.state for one in arrivals] == [ArrivalState.DONE, ArrivalState.REFUSED]
    assert b"Another reason" in arrivals[1].body


BROKEN = {
    "not JSON": b'{"resourceType": "Bundle"',
    "a member twice": b'{"resourceType": "Bundle", "type": "transaction", "type": "batch"}',
    "not a Bundle": b'{"resourceType": "Patient"}',
    "no Task": write_canonical(
        {
            **referral_bundle("1"),
            "entry": [e for e in referral_bundle("1")["entry"] if e["request"]["url"] != "Task"],
        }
    ),
}


@pytest.mark.promise("P1")
@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_what_we_cannot_understand_is_kept_and_is_for_a_person(harness: IntakeHarness, raw: bytes) -> None:
    with pytest.raises(NotUnderstood):
        receive_referral(harness.store, harness.publishing, harness.practice, raw, harness.now)
    (item,) = harness.open_work_items()
    assert item.kind == "referral_not_understood"
    with harness.store.read() as uow:
        kept = uow.inbox.get(int(item.about.removeprefix("inbox/")))
        assert uow.episodes.list_all() == []
    assert (kept.body, kept.state, kept.reply_status) == (raw, ArrivalState.REFUSED, 400)
    # Sent again it is the same arrival and the same line on the worklist.
    with pytest.raises(NotUnderstood):
        receive_referral(harness.store, harness.publishing, harness.practice, raw, harness.now)
    assert [one.id for one in harness.open_work_items()] == [item.id]


@pytest.mark.promise("P10")
def test_no_fault_repeats_what_stands_in_the_bundle(harness: IntakeHarness) -> None:
    bundle = referral_bundle("1", family="Smithfield")
    bundle["entry"][0]["resource"]["birthDate"] = "Smithfield"
    with pytest.raises(NotUnderstood) as refused:
        harness.receive(bundle)
    assert "Smithfield" not in str(refused.value)
    assert "Smithfield" not in str(harness.open_work_items()[0].details)


def test_a_body_beyond_the_cap_is_not_understood(harness: IntakeHarness) -> None:
    raw = b'{"resourceType":"Bundle","x":"' + b"x" * LARGEST_BUNDLE + b'"}'
    with pytest.raises((BodyTooLarge, NotStrictJson)):
        receive_referral(harness.store, harness.publishing, harness.practice, raw, harness.now)


@pytest.mark.promise("P1")
def test_nothing_is_lost_when_the_process_dies_between_keeping_and_recording(
    harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(receiving, "record_referral", dies)
    with pytest.raises(SystemExit):
        harness.refer()
    monkeypatch.undo()
    with harness.store.read() as uow:
        (kept,) = uow.inbox.list_all(ArrivalState.RECEIVED)
        assert uow.episodes.list_all() == []
    assert kept.body == write_canonical(referral_bundle("1"))
    # The practice has no answer and sends it again: the same arrival, recorded now.
    answer = harness.refer()
    assert not answer.repeated
    with harness.store.read() as uow:
        assert uow.inbox.get(kept.id).state is ArrivalState.DONE


def test_what_was_kept_and_never_answered_is_taken_up_though_nobody_sends_it_again(
    harness: IntakeHarness,
) -> None:
    with harness.store.begin_without_publishing() as uow:
        good = uow.inbox.add(
            CHANNEL, harness.practice.id, write_canonical(referral_bundle("1")), now=harness.now
        )
        bad = uow.inbox.add(CHANNEL, harness.practice.id, b"{}", now=harness.now)
    # What has only just arrived is in somebody's hands.
    assert resume_referrals(harness.store, harness.publishing, harness.now) == 0
    later = harness.now + receiving.PROCESSING_TIMEOUT
    assert resume_referrals(harness.store, harness.publishing, later) == 2
    assert harness.episode_of(harness.referral()).state is EpisodeState.REFERRED
    assert [item.about for item in harness.open_work_items()] == [f"inbox/{bad.id}"]
    with harness.store.read() as uow:
        assert uow.inbox.get(good.id).state is ArrivalState.DONE
    assert resume_referrals(harness.store, harness.publishing, later) == 0


def test_a_person_who_is_known_by_identifier_and_birth_date_is_the_same_person(
    harness: IntakeHarness,
) -> None:
    known = enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),))
    harness.enrol(known)
    patient = harness.versions("Patient")
    harness.refer("1")
    referral = harness.referral()
    assert referral.person == harness.episode("e1").person
    assert not harness.episode_of(referral).doubtful
    # The Patient now stands on the referral's side, still as the platform wrote it.
    assert set(harness.versions("Patient")) == set(patient)
    assert harness.person(harness.episode("e1")).registered_by == "source:redcap-wide"


def test_another_name_under_a_known_number_is_a_question_and_the_referral_goes_on(
    harness: IntakeHarness,
) -> None:
    harness.enrol(enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),), family="Known"))
    harness.refer("1")
    referral = harness.referral()
    known = harness.person(harness.episode("e1"))
    assert referral.person == known.id and known.family == "Known"
    (item,) = harness.open_work_items()
    assert (item.kind, item.person, item.details["fields"]) == ("person_differs", known.id, ["family"])
    with harness.store.read() as uow:
        (row,) = item.details["inbox"]
        assert b"Example" in uow.inbox.get(row).body  # what it says stands where the clinician looks
    (patient,) = harness.published("Patient").values()
    assert patient["name"][0]["family"] == "Known"


def test_the_practice_that_registered_a_person_changes_the_name_with_its_next_referral(
    harness: IntakeHarness,
) -> None:
    harness.refer("1")
    again = referral_bundle("2", family="Married")
    patient = next(e["resource"] for e in again["entry"] if e["resource"]["resourceType"] == "Patient")
    patient["identifier"] = [
        {"system": GP_MEDICARE, "value": "m-1"},
        {"system": "urn:hospital", "value": "h-1"},
    ]
    harness.receive(again)
    person = harness.person(harness.episode_of(harness.referral("2")))
    assert person.id == harness.referral("1").person
    assert (person.family, [one.value for one in person.identifiers]) == ("Married", ["m-1", "h-1"])
    (patient,) = harness.published("Patient").values()
    assert patient["name"][0]["family"] == "Married"  # the record and what is published say the same
    assert harness.open_work_items() == []


@pytest.mark.promise("P15")
def test_a_doubtful_referral_stands_under_a_patient_of_its_own_and_the_known_person_is_left_alone(
    harness: IntakeHarness,
) -> None:
    other_birth = enrolment(
        "e1",
        identifiers=(Identifier(GP_MEDICARE, "m-1"),),
        birth_date=enrolment().birth_date.replace(year=1980),
    )
    harness.enrol(other_birth)
    known = harness.versions()
    harness.refer("1")
    referral = harness.referral()
    episode = harness.episode_of(referral)
    assert episode.doubtful and referral.person != harness.episode("e1").person
    assert task_of(harness)["for"]["reference"] == f"Patient/{referral.person}"
    assert {ref: harness.versions()[ref] for ref in known} == known
    (item,) = harness.open_work_items()
    assert (item.kind, item.episode) == ("who_is_this", episode.id)
    assert item.details["others"] == [harness.episode("e1").person]


@pytest.mark.promise("P15")
def test_an_enrolment_joins_the_referred_person_by_our_number_or_by_an_exact_identifier(
    harness: IntakeHarness,
) -> None:
    for name in ("1", "2"):
        harness.refer(name)
        harness.accept(harness.referral(name))
    by_number = enrolment("e1", referral_number=harness.referral("1").number, identifiers=())
    by_identifier = enrolment("e2", identifiers=(Identifier(GP_MEDICARE, "m-2"),))
    results = harness.enrol(by_number, by_identifier)
    assert [one.status for one in results] == [RecordingStatus.ACCEPTED, RecordingStatus.ACCEPTED]
    for name, referred in (("e1", "1"), ("e2", "2")):
        episode, referral = harness.episode(name), harness.referral(referred)
        assert (episode.id, episode.person) == (referral.episode, referral.person)
        assert episode.state is EpisodeState.COMMENCED
        assert task_of(harness, referred)["status"] == "in-progress"
    # The same file again changes nothing.
    before = harness.versions()
    assert [one.status for one in harness.enrol(by_number, by_identifier)] == [RecordingStatus.REPEATED] * 2
    assert harness.versions() == before


def test_an_enrolment_of_a_referral_that_nobody_accepted_waits_and_goes_on_after_that(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    stated = enrolment(referral_number=referral.number, identifiers=())
    for _ in range(2):
        (refused,) = harness.enrol(stated)
        assert isinstance(refused.refusal, ReferralNotAccepted)
    (item,) = harness.open_work_items()
    assert (item.kind, item.episode, item.person) == ("enrolment_waits", referral.episode, referral.person)
    assert harness.episode_of(referral).enrolment is None
    harness.accept(referral)
    (accepted,) = harness.enrol(stated)
    assert (accepted.status, accepted.id) == (RecordingStatus.ACCEPTED, referral.episode)
    assert harness.open_work_items() == []


def test_a_declined_or_cancelled_referral_starts_nothing(harness: IntakeHarness) -> None:
    harness.refer()
    referral = harness.referral()
    _cancel(harness, task_of(harness), 1)
    (result,) = harness.enrol(enrolment(referral_number=referral.number, identifiers=()))
    assert result.status is RecordingStatus.ACCEPTED
    assert harness.episode().id != referral.episode
    assert harness.episode().person == referral.person
    assert harness.episode_of(referral).state is EpisodeState.CANCELLED


@pytest.mark.promise("P15")
def test_a_referral_number_with_another_birth_date_is_a_doubt_and_never_a_match(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    before = harness.versions()
    harness.enrol(
        enrolment(
            referral_number=referral.number, identifiers=(), birth_date=enrolment().birth_date.replace(day=3)
        )
    )
    assert harness.episode().doubtful and harness.episode().person != referral.person
    assert harness.versions() == before
    (item,) = harness.open_work_items()
    assert item.details == {"others": [referral.person], "referral": referral.id}


def test_a_referral_number_with_another_identifier_of_the_same_system_is_a_doubt(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    harness.enrol(
        enrolment(referral_number=referral.number, identifiers=(Identifier(GP_MEDICARE, "m-another"),))
    )
    assert harness.episode().doubtful
    # An identifier of a system the practice does not use says nothing against it.
    harness.refer("2")
    harness.accept(harness.referral("2"))
    harness.enrol(enrolment("e2", referral_number=harness.referral("2").number))
    assert harness.episode("e2").id == harness.referral("2").episode


def test_a_referral_takes_one_enrolment_and_a_second_is_a_doubt(harness: IntakeHarness) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    first, second = (
        enrolment(name, referral_number=referral.number, identifiers=()) for name in ("e1", "e2")
    )
    harness.enrol(first, second)
    assert harness.episode("e1").id == referral.episode
    assert harness.episode("e2").doubtful
    assert [item.kind for item in harness.open_work_items()] == ["who_is_this"]


def test_the_referrals_door_owns_name_and_birth_date_and_a_difference_is_a_question(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    before = harness.versions("Patient")
    for _ in range(2):
        harness.enrol(enrolment(referral_number=referral.number, identifiers=(), given="Anna"))
    assert harness.person(harness.episode()).given == "Ann"
    assert harness.versions("Patient") == before
    (item,) = harness.open_work_items()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["given"])


def test_a_referral_that_is_named_only_later_is_a_question_asked_once(harness: IntakeHarness) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    harness.enrol(enrolment())
    for _ in range(2):
        harness.enrol(enrolment(referral_number=referral.number))
    assert harness.episode().id != referral.episode
    assert [item.kind for item in harness.open_work_items()] == ["referral_named_late"]


def test_a_referred_person_goes_all_the_way_and_what_is_answered_hangs_on_the_referrals_episode(
    harness: IntakeHarness,
) -> None:
    harness.refer()
    referral = harness.referral()
    harness.accept(referral)
    harness.enrol(enrolment(referral_number=referral.number, identifiers=()))
    harness.respond(phq9("start", *[1] * 9))
    (recorded,) = harness.published("QuestionnaireResponse").values()
    assert recorded["subject"]["reference"] == f"Patient/{referral.person}"
    (care,) = harness.published("EpisodeOfCare").values()
    assert care["referralRequest"] == [{"reference": f"ServiceRequest/{referral.service_request_id}"}]


def _cancel(
    harness: IntakeHarness,
    task: Resource,
    if_match: int,
    *,
    by: Client | None = None,
    status: str = "cancelled",
) -> Resource:
    sent = {**task, "status": status}
    with harness.store.begin() as uow:
        found = cancel_referral(
            uow,
            harness.publishing,
            by or harness.practice,
            ResourceId(task["id"]),
            sent,
            if_match,
            harness.now,
        )
    return read_fhir_json(found.content, max_bytes=len(found.content))


def test_the_gp_cancels_with_the_version_it_has_read(harness: IntakeHarness) -> None:
    harness.refer()
    task = task_of(harness)
    with pytest.raises(ChangedMeanwhile):
        _cancel(harness, task, 2)
    cancelled = _cancel(harness, task, 1)
    assert (cancelled["status"], harness.episode_of(harness.referral()).state) == (
        "cancelled",
        EpisodeState.CANCELLED,
    )
    # Asked again, whatever version it names: it is cancelled.
    assert _cancel(harness, task, 1) == cancelled
    assert harness.versions("Task").popitem()[1] == 2


def test_a_practice_changes_nothing_but_the_status_and_that_to_cancelled(harness: IntakeHarness) -> None:
    harness.refer()
    task = task_of(harness)
    for changed in ({"status": "completed"}, {"priority": "urgent"}, {"status": "received"}):
        with pytest.raises(OnlyCancellationAllowed):
            _cancel(harness, {**task, **changed}, 1, status=changed.get("status", "cancelled"))
    assert harness.episode_of(harness.referral()).state is EpisodeState.REFERRED


def test_an_accepted_referral_may_be_cancelled_and_one_in_progress_may_not(harness: IntakeHarness) -> None:
    for name in ("1", "2"):
        harness.refer(name)
        harness.accept(harness.referral(name))
    _cancel(harness, task_of(harness, "1"), 2)
    harness.enrol(enrolment(referral_number=harness.referral("2").number, identifiers=()))
    task = task_of(harness, "2")
    with pytest.raises(MoveNotListed) as refused:
        _cancel(harness, task, int(task["meta"]["versionId"]))
    assert "allows no move; not cancel" in str(refused.value)


def test_another_practices_task_is_not_found(harness: IntakeHarness) -> None:
    harness.refer()
    with harness.store.begin() as uow:
        other = uow.clients.add(
            ClientId("practice-2"), name="other", kind=ClientKind.PRACTICE, token_hash="2", now=harness.now
        )
    with pytest.raises(NotStored):
        _cancel(harness, task_of(harness), 1, by=other)
