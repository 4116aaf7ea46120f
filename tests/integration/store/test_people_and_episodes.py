"""People, episodes and referrals are kept as they were told, found by exact identifiers, and keep their history."""

from dataclasses import replace
from datetime import date

import pytest

from fhir_pmp.identifiers import ClientId, EpisodeId, Identifier, PersonId, ReferralId
from fhir_pmp.pathway.facts import EpisodeState, Lesson
from fhir_pmp.store import Store
from fhir_pmp.store.clinical.referrals import ReferralEntry
from fhir_pmp.store.errors import AlreadyStored, ChangedMeanwhile, NotStored
from tests.integration.store.sample_records import (
    MINUTE,
    NOW,
    SOURCE,
    add_person,
    episode,
    person,
    recorded,
    referral,
)


def test_a_person_comes_back_as_registered(store: Store) -> None:
    ann = person(1, Identifier("urn:medicare", "2"), Identifier("urn:a", "1"))
    with store.begin() as uow:
        uow.people.add(ann, now=NOW)
    with store.read() as uow:
        assert uow.people.get(ann.id) == ann
        assert uow.people.find(PersonId("patient-none")) is None
        with pytest.raises(NotStored):
            uow.people.get(PersonId("patient-none"))


def test_an_identifier_finds_those_who_bear_exactly_it(store: Store) -> None:
    shared = Identifier("urn:medicare", "2")
    with store.begin() as uow:
        uow.people.add_many(
            [person(1, shared), person(2, shared), person(3, Identifier("urn:other", "2"))], now=NOW
        )
    with store.read() as uow:
        assert [p.id for p in uow.people.find_by_identifier(shared)] == ["patient-1", "patient-2"]
        assert uow.people.find_by_identifier(Identifier("urn:medicare", "2 ")) == []


def test_the_identifiers_of_a_double_lead_to_the_record_it_was_found_to_be(store: Store) -> None:
    shared, own = Identifier("urn:medicare", "2"), Identifier("urn:practice", "7")
    with store.begin() as uow:
        uow.people.add_many([person(1, shared), person(2, shared), person(3, own)], now=NOW)
        uow.people.mark_duplicate(PersonId("patient-3"), PersonId("patient-2"))
        uow.people.mark_duplicate(PersonId("patient-2"), PersonId("patient-1"))
    with store.read() as uow:
        assert [p.id for p in uow.people.find_by_identifier(shared)] == ["patient-1"]
        assert [p.id for p in uow.people.find_by_identifier(own)] == ["patient-1"]
        assert uow.people.same_as(PersonId("patient-2")) == "patient-1"
        assert uow.people.same_as(PersonId("patient-3")) == "patient-1"


def test_an_update_replaces_name_and_identifiers(store: Store) -> None:
    renamed = replace(person(1, Identifier("urn:b", "9")), family="Other", birth_date=date(1971, 1, 1))
    with store.begin() as uow:
        uow.people.add(person(1), now=NOW)
        uow.people.update(renamed)
        assert uow.people.get(renamed.id) == renamed


def test_an_episode_comes_back_as_added_with_lessons_and_practice(store: Store) -> None:
    without = replace(episode(2, of=1), practice=None, lessons=(), source=None, enrolment=None)
    with store.begin() as uow:
        add_person(uow, 1)
        uow.episodes.add(without, event="refer", by="test", now=NOW)
    with store.read() as uow:
        assert uow.episodes.get(EpisodeId("episode-1")) == episode(1)
        assert uow.episodes.get(EpisodeId("episode-2")) == without
        assert uow.episodes.find_by_enrolment(SOURCE, "e1") == episode(1)
        assert uow.episodes.of_person(PersonId("patient-1")) == [episode(1), without]
        assert uow.episodes.count_by_state() == {EpisodeState.ENROLLED: 2}


def test_an_enrolment_is_one_episode(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
    again = replace(episode(1), id=EpisodeId("episode-9"))
    with pytest.raises(AlreadyStored), store.begin() as uow:
        uow.episodes.add(again, event="enrol", by="test", now=NOW)


def test_a_move_is_kept_with_who_when_and_why(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        known = uow.episodes.get(EpisodeId("episode-1"))
        moved = uow.episodes.move(
            known, EpisodeState.STOPPED, event="stop", by="redcap", now=NOW + MINUTE, reason="moved away"
        )
        assert moved.state is EpisodeState.STOPPED
        first, second = uow.episodes.history(known.id)
        assert (first.event, first.before, first.after) == ("enrol", None, "enrolled")
        assert (second.before, second.after, second.by) == ("enrolled", "stopped", "redcap")
        assert (second.at, second.reason) == (NOW + MINUTE, "moved away")
        with pytest.raises(ChangedMeanwhile):
            uow.episodes.move(known, EpisodeState.FINISHED, event="finish", by="x", now=NOW)


def test_consent_and_doubt_change_by_doors_of_their_own(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        known = uow.episodes.get(EpisodeId("episode-1"))
        quiet = uow.episodes.set_consent(known, False, by="redcap", now=NOW)
        unsure = uow.episodes.set_doubtful(quiet, True, by="intake", now=NOW)
        lessons = (Lesson(1, date(2026, 1, 6)),)
        uow.episodes.update(
            replace(unsure, share_with_ehr=True, doubtful=False, lessons=lessons, end_reason="x"), now=NOW
        )
        assert uow.episodes.get(known.id) == replace(unsure, lessons=lessons, end_reason="x")
        assert [m.event for m in uow.episodes.history(known.id)] == ["enrol", "share_with_ehr", "doubt"]


def test_an_episode_under_another_person_takes_its_responses_along(store: Store) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        add_person(uow, 2)
        uow.responses.add(recorded(1), now=NOW)
        known = uow.episodes.get(EpisodeId("episode-1"))
        uow.episodes.repoint(known, PersonId("patient-2"), by="clinician", now=NOW)
        assert {e.id for e in uow.episodes.of_person(PersonId("patient-2"))} == {"episode-1", "episode-2"}
        assert uow.responses.of_episode(known.id)[0].response.person == "patient-2"


def test_a_referral_is_found_by_number_task_and_the_senders_identifier(store: Store) -> None:
    sent = referral(1)
    entries = [ReferralEntry(3, "Condition", sent.task_id, "urn:uuid:1")]
    with store.begin() as uow:
        add_person(uow, 1)
        uow.referrals.add(sent, fingerprint="f1", entries=entries, inbox=None)
        assert uow.referrals.get(sent.id) == sent
        assert uow.referrals.find_by_number("R-1") == sent
        assert uow.referrals.find_by_task(sent.task_id) == sent
        known = uow.referrals.find_by_service_request(sent.client, sent.service_request_identifier)
        assert known is not None and (known.referral, known.fingerprint) == (sent, "f1")
        other = uow.referrals.find_by_service_request(ClientId("x"), sent.service_request_identifier)
        assert other is None
        assert uow.referrals.entries(sent.id) == entries
        assert uow.referrals.of_episodes([sent.episode]) == {sent.episode: sent}
        joined = uow.episodes.set_referral(uow.episodes.get(sent.episode), ReferralId("referral-1"))
        assert uow.episodes.get(sent.episode) == joined
