"""A GP refers: kept before it is understood, recorded whole, repeated, differing, doubtful, cancelled; and joined."""

import copy
from typing import Any

import pytest

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.json_reader import BodyTooLarge, NotStrictJson, read_strict
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.identifiers import ClientId, Identifier, ResourceId
from fhir_pmp.intake import referrals as receiving
from fhir_pmp.intake.arrivals import Fate
from fhir_pmp.intake.cancelling import OnlyCancelling, cancel_referral
from fhir_pmp.intake.identity import ReferralNotAccepted
from fhir_pmp.intake.leftovers import take_up_referrals
from fhir_pmp.intake.referrals import DOOR, LARGEST_BUNDLE, ReferralDiffers, receive_referral
from fhir_pmp.pathway.episodes import MoveNotListed
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.store.clients import Client, ClientKind
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.inbox import ArrivalState
from tests.integration.intake.house import House, enrolment, phq9
from tests.integration.web.referral import referral_bundle

Resource = dict[str, Any]
GP_MEDICARE = "urn:medicare"  # the system that `referral_bundle` uses


def task_of(house: House, name: str = "1") -> Resource:
    """The referral's Task, as published."""
    return house.published("Task")[f"Task/{house.referral(name).task_id}"]


def answered(house: House, answer: receiving.ReferralAnswer) -> list[Resource]:
    """What each entry was answered."""
    bundle = read_strict(answer.body, max_bytes=len(answer.body))
    return [entry["response"] for entry in bundle["entry"]]


def test_a_referral_is_recorded_published_and_answered_entry_by_entry(house: House) -> None:
    answer = house.refer()
    referral = house.referral()
    episode = house.episode_of(referral)
    assert (episode.state, episode.share_with_ehr, episode.doubtful) == (EpisodeState.REFERRED, False, False)
    said = answered(house, answer)
    assert [one["status"] for one in said] == ["201 Created"] * 4
    assert [one["location"].split("/")[0] for one in said] == [
        "Patient",
        "ServiceRequest",
        "Task",
        "Condition",
    ]
    task = task_of(house)
    assert task["status"] == "received"
    assert task["for"]["reference"] == f"Patient/{referral.person}"
    assert task["focus"]["reference"] == f"ServiceRequest/{referral.service_request_id}"
    assert house.letters_due() == [(episode.id, "receipt")]
    (condition,) = house.published("Condition").values()
    assert condition["subject"]["reference"] == f"Patient/{referral.person}"
    with house.store.read() as books:
        (kept,) = books.inbox.list_all(ArrivalState.DONE)
    assert (kept.body, kept.answer_body) == (write_canonical(referral_bundle("1")), answer.body)


def test_the_same_again_gives_the_same_task_whatever_urls_ids_meta_and_text_it_bears(house: House) -> None:
    house.refer()
    before = house.versions()
    again = copy.deepcopy(referral_bundle("1"))
    spelt = write_canonical(again)
    for entry in again["entry"]:
        old = entry["fullUrl"]
        spelt = spelt.replace(old.encode(), old.replace("urn:uuid:", "https://gp.example/fhir/x").encode())
    bundle = read_strict(spelt, max_bytes=len(spelt))
    for entry in bundle["entry"]:
        entry["resource"] |= {"meta": {"versionId": "7"}, "text": _narrative()}
    answer = house.receive(bundle)
    assert answer.repeated
    assert [one["status"] for one in answered(house, answer)] == ["200 OK"] * 4
    assert house.versions() == before
    assert len(house.letters_due()) == 1


def _narrative() -> Resource:
    return {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">the same</div>'}


def test_other_clinical_content_under_the_same_key_is_kept_refused_and_compared_by_a_person(
    house: House,
) -> None:
    house.refer()
    before = house.versions()
    for _ in range(2):
        with pytest.raises(ReferralDiffers):
            house.refer(reason="Another reason")
    assert house.versions() == before
    (item,) = house.work()
    assert (item.kind, item.about) == ("referral_differs", f"referral/{house.referral().id}")
    with house.store.read() as books:
        arrivals = [books.inbox.get(number) for number in item.details["inbox"]]
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


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_what_we_cannot_understand_is_kept_and_is_for_a_person(house: House, raw: bytes) -> None:
    with pytest.raises(NotUnderstood):
        receive_referral(house.store, house.clinic, house.publisher, house.practice, raw, house.now)
    (item,) = house.work()
    assert item.kind == "referral_not_understood"
    with house.store.read() as books:
        kept = books.inbox.get(int(item.about.removeprefix("inbox/")))
        assert books.episodes.list_all() == []
    assert (kept.body, kept.state, kept.answer_status) == (raw, ArrivalState.REFUSED, 400)
    # Sent again it is the same arrival and the same line on the worklist.
    with pytest.raises(NotUnderstood):
        receive_referral(house.store, house.clinic, house.publisher, house.practice, raw, house.now)
    assert [one.id for one in house.work()] == [item.id]


def test_no_fault_repeats_what_stands_in_the_bundle(house: House) -> None:
    bundle = referral_bundle("1", family="Smithfield")
    bundle["entry"][0]["resource"]["birthDate"] = "Smithfield"
    with pytest.raises(NotUnderstood) as refused:
        house.receive(bundle)
    assert "Smithfield" not in str(refused.value)
    assert "Smithfield" not in str(house.work()[0].details)


def test_a_body_beyond_the_cap_is_not_understood(house: House) -> None:
    raw = b'{"resourceType":"Bundle","x":"' + b"x" * LARGEST_BUNDLE + b'"}'
    with pytest.raises((BodyTooLarge, NotStrictJson)):
        receive_referral(house.store, house.clinic, house.publisher, house.practice, raw, house.now)


def test_nothing_is_lost_when_the_process_dies_between_keeping_and_recording(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(receiving, "record_referral", dies)
    with pytest.raises(SystemExit):
        house.refer()
    monkeypatch.undo()
    with house.store.read() as books:
        (kept,) = books.inbox.list_all(ArrivalState.RECEIVED)
        assert books.episodes.list_all() == []
    assert kept.body == write_canonical(referral_bundle("1"))
    # The practice has no answer and sends it again: the same arrival, recorded now.
    answer = house.refer()
    assert not answer.repeated
    with house.store.read() as books:
        assert books.inbox.get(kept.id).state is ArrivalState.DONE


def test_what_was_kept_and_never_answered_is_taken_up_though_nobody_sends_it_again(house: House) -> None:
    with house.store.begin_beside() as books:
        good = books.inbox.keep(DOOR, house.practice.id, write_canonical(referral_bundle("1")), now=house.now)
        bad = books.inbox.keep(DOOR, house.practice.id, b"{}", now=house.now)
    # What has only just arrived is in somebody's hands.
    assert take_up_referrals(house.store, house.clinic, house.publisher, house.now) == 0
    later = house.now + receiving.IN_HANDS
    assert take_up_referrals(house.store, house.clinic, house.publisher, later) == 2
    assert house.episode_of(house.referral()).state is EpisodeState.REFERRED
    assert [item.about for item in house.work()] == [f"inbox/{bad.id}"]
    with house.store.read() as books:
        assert books.inbox.get(good.id).state is ArrivalState.DONE
    assert take_up_referrals(house.store, house.clinic, house.publisher, later) == 0


def test_a_person_who_is_known_by_identifier_and_birth_date_is_the_same_person(house: House) -> None:
    known = enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),))
    house.enrol(known)
    patient = house.versions("Patient")
    house.refer("1")
    referral = house.referral()
    assert referral.person == house.episode("e1").person
    assert not house.episode_of(referral).doubtful
    # The Patient now stands on the referral's side, still as the platform wrote it.
    assert set(house.versions("Patient")) == set(patient)
    assert house.person(house.episode("e1")).registered_by == "source:redcap-wide"


def test_another_name_under_a_known_number_is_a_question_and_the_referral_goes_on(house: House) -> None:
    house.enrol(enrolment("e1", identifiers=(Identifier(GP_MEDICARE, "m-1"),), family="Known"))
    house.refer("1")
    referral = house.referral()
    known = house.person(house.episode("e1"))
    assert referral.person == known.id and known.family == "Known"
    (item,) = house.work()
    assert (item.kind, item.person, item.details["fields"]) == ("person_differs", known.id, ["family"])
    with house.store.read() as books:
        (row,) = item.details["inbox"]
        assert b"Example" in books.inbox.get(row).body  # what it says stands where the clinician looks
    (patient,) = house.published("Patient").values()
    assert patient["name"][0]["family"] == "Known"


def test_the_practice_that_registered_a_person_changes_the_name_with_its_next_referral(house: House) -> None:
    house.refer("1")
    again = referral_bundle("2", family="Married")
    patient = next(e["resource"] for e in again["entry"] if e["resource"]["resourceType"] == "Patient")
    patient["identifier"] = [
        {"system": GP_MEDICARE, "value": "m-1"},
        {"system": "urn:hospital", "value": "h-1"},
    ]
    house.receive(again)
    person = house.person(house.episode_of(house.referral("2")))
    assert person.id == house.referral("1").person
    assert (person.family, [one.value for one in person.identifiers]) == ("Married", ["m-1", "h-1"])
    (patient,) = house.published("Patient").values()
    assert patient["name"][0]["family"] == "Married"  # the record and what is published say the same
    assert house.work() == []


def test_a_doubtful_referral_stands_under_a_patient_of_its_own_and_the_known_person_is_left_alone(
    house: House,
) -> None:
    other_birth = enrolment(
        "e1",
        identifiers=(Identifier(GP_MEDICARE, "m-1"),),
        birth_date=enrolment().birth_date.replace(year=1980),
    )
    house.enrol(other_birth)
    known = house.versions()
    house.refer("1")
    referral = house.referral()
    episode = house.episode_of(referral)
    assert episode.doubtful and referral.person != house.episode("e1").person
    assert task_of(house)["for"]["reference"] == f"Patient/{referral.person}"
    assert {ref: house.versions()[ref] for ref in known} == known
    (item,) = house.work()
    assert (item.kind, item.episode) == ("who_is_this", episode.id)
    assert item.details["others"] == [house.episode("e1").person]


def test_an_enrolment_joins_the_referred_person_by_our_number_or_by_an_exact_identifier(house: House) -> None:
    for name in ("1", "2"):
        house.refer(name)
        house.accept(house.referral(name))
    by_number = enrolment("e1", referral_number=house.referral("1").number, identifiers=())
    by_identifier = enrolment("e2", identifiers=(Identifier(GP_MEDICARE, "m-2"),))
    receipts = house.enrol(by_number, by_identifier)
    assert [one.fate for one in receipts] == [Fate.ACCEPTED, Fate.ACCEPTED]
    for name, referred in (("e1", "1"), ("e2", "2")):
        episode, referral = house.episode(name), house.referral(referred)
        assert (episode.id, episode.person) == (referral.episode, referral.person)
        assert episode.state is EpisodeState.COMMENCED
        assert task_of(house, referred)["status"] == "in-progress"
    # The same file again changes nothing.
    before = house.versions()
    assert [one.fate for one in house.enrol(by_number, by_identifier)] == [Fate.REPEATED] * 2
    assert house.versions() == before


def test_an_enrolment_of_a_referral_that_nobody_accepted_waits_and_goes_on_after_that(house: House) -> None:
    house.refer()
    referral = house.referral()
    said = enrolment(referral_number=referral.number, identifiers=())
    for _ in range(2):
        (refused,) = house.enrol(said)
        assert isinstance(refused.refusal, ReferralNotAccepted)
    (item,) = house.work()
    assert (item.kind, item.episode, item.person) == ("enrolment_waits", referral.episode, referral.person)
    assert house.episode_of(referral).enrolment is None
    house.accept(referral)
    (accepted,) = house.enrol(said)
    assert (accepted.fate, accepted.id) == (Fate.ACCEPTED, referral.episode)
    assert house.work() == []


def test_a_declined_or_cancelled_referral_starts_nothing(house: House) -> None:
    house.refer()
    referral = house.referral()
    _cancel(house, task_of(house), 1)
    (receipt,) = house.enrol(enrolment(referral_number=referral.number, identifiers=()))
    assert receipt.fate is Fate.ACCEPTED
    assert house.episode().id != referral.episode
    assert house.episode().person == referral.person
    assert house.episode_of(referral).state is EpisodeState.CANCELLED


def test_a_referral_number_with_another_birth_date_is_a_doubt_and_never_a_match(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    before = house.versions()
    house.enrol(
        enrolment(
            referral_number=referral.number, identifiers=(), birth_date=enrolment().birth_date.replace(day=3)
        )
    )
    assert house.episode().doubtful and house.episode().person != referral.person
    assert house.versions() == before
    (item,) = house.work()
    assert item.details == {"others": [referral.person], "referral": referral.id}


def test_a_referral_number_with_another_identifier_of_the_same_system_is_a_doubt(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    house.enrol(
        enrolment(referral_number=referral.number, identifiers=(Identifier(GP_MEDICARE, "m-another"),))
    )
    assert house.episode().doubtful
    # An identifier of a system the practice does not use says nothing against it.
    house.refer("2")
    house.accept(house.referral("2"))
    house.enrol(enrolment("e2", referral_number=house.referral("2").number))
    assert house.episode("e2").id == house.referral("2").episode


def test_a_referral_takes_one_enrolment_and_a_second_is_a_doubt(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    first, second = (
        enrolment(name, referral_number=referral.number, identifiers=()) for name in ("e1", "e2")
    )
    house.enrol(first, second)
    assert house.episode("e1").id == referral.episode
    assert house.episode("e2").doubtful
    assert [item.kind for item in house.work()] == ["who_is_this"]


def test_the_referrals_door_owns_name_and_birth_date_and_a_difference_is_a_question(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    before = house.versions("Patient")
    for _ in range(2):
        house.enrol(enrolment(referral_number=referral.number, identifiers=(), given="Anna"))
    assert house.person(house.episode()).given == "Ann"
    assert house.versions("Patient") == before
    (item,) = house.work()
    assert (item.kind, item.details["fields"]) == ("person_differs", ["given"])


def test_a_referral_that_is_named_only_later_is_a_question_asked_once(house: House) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    house.enrol(enrolment())
    for _ in range(2):
        house.enrol(enrolment(referral_number=referral.number))
    assert house.episode().id != referral.episode
    assert [item.kind for item in house.work()] == ["referral_named_late"]


def test_a_referred_person_goes_all_the_way_and_what_is_answered_hangs_on_the_referrals_episode(
    house: House,
) -> None:
    house.refer()
    referral = house.referral()
    house.accept(referral)
    house.enrol(enrolment(referral_number=referral.number, identifiers=()))
    house.respond(phq9("start", *[1] * 9))
    (recorded,) = house.published("QuestionnaireResponse").values()
    assert recorded["subject"]["reference"] == f"Patient/{referral.person}"
    (care,) = house.published("EpisodeOfCare").values()
    assert care["referralRequest"] == [{"reference": f"ServiceRequest/{referral.service_request_id}"}]


def _cancel(
    house: House, task: Resource, if_match: int, *, by: Client | None = None, status: str = "cancelled"
) -> Resource:
    sent = {**task, "status": status}
    with house.store.begin() as books:
        found = cancel_referral(
            books,
            house.clinic,
            house.publisher,
            by or house.practice,
            ResourceId(task["id"]),
            sent,
            if_match,
            house.now,
        )
    return read_strict(found.content, max_bytes=len(found.content))


def test_the_gp_cancels_with_the_version_it_has_read(house: House) -> None:
    house.refer()
    task = task_of(house)
    with pytest.raises(ChangedMeanwhile):
        _cancel(house, task, 2)
    cancelled = _cancel(house, task, 1)
    assert (cancelled["status"], house.episode_of(house.referral()).state) == (
        "cancelled",
        EpisodeState.CANCELLED,
    )
    # Asked again, whatever version it names: it is cancelled.
    assert _cancel(house, task, 1) == cancelled
    assert house.versions("Task").popitem()[1] == 2


def test_a_practice_changes_nothing_but_the_status_and_that_to_cancelled(house: House) -> None:
    house.refer()
    task = task_of(house)
    for changed in ({"status": "completed"}, {"priority": "urgent"}, {"status": "received"}):
        with pytest.raises(OnlyCancelling):
            _cancel(house, {**task, **changed}, 1, status=changed.get("status", "cancelled"))
    assert house.episode_of(house.referral()).state is EpisodeState.REFERRED


def test_an_accepted_referral_may_be_cancelled_and_one_in_progress_may_not(house: House) -> None:
    for name in ("1", "2"):
        house.refer(name)
        house.accept(house.referral(name))
    _cancel(house, task_of(house, "1"), 2)
    house.enrol(enrolment(referral_number=house.referral("2").number, identifiers=()))
    task = task_of(house, "2")
    with pytest.raises(MoveNotListed) as refused:
        _cancel(house, task, int(task["meta"]["versionId"]))
    assert "allows no move; not cancel" in str(refused.value)


def test_another_practices_task_is_not_found(house: House) -> None:
    house.refer()
    with house.store.begin() as books:
        other = books.clients.add(
            ClientId("practice-2"), name="other", kind=ClientKind.PRACTICE, token_hash="2", now=house.now
        )
    with pytest.raises(NotStored):
        _cancel(house, task_of(house), 1, by=other)
