"""A fact is published once: the same content is unchanged, other content the next version, queued where it may go."""

import hashlib
import json

import pytest

from fhir_pmp.identifiers import EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.delivery.deliveries import DEFINITIONS_LANE, DeliveryState
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.store.sample_records import MINUTE, NOW, add_person, referral, resource

INTERNAL = Reader.internal()


def queued(uow: UnitOfWork) -> list[tuple[str, str, int, str]]:
    """Everything in the outbox: lane, reference, version, state."""
    return [(d.lane, d.reference, d.version, d.state.value) for d in uow.deliveries.list_all()]


def test_a_new_resource_is_version_1_with_its_stamp(store: Store, publisher: Publisher) -> None:
    one = resource("observation-1", date="2026-03-01", refs=["Patient/patient-1"])
    with store.begin() as uow:
        add_person(uow, 1)
        (done,) = publisher.publish(uow, [one], now=NOW)
        assert (done.version, done.changed, done.reference) == (
            1,
            True,
            "Observation/observation-1/_history/1",
        )
        found = uow.published.find(INTERNAL, "Observation", "observation-1")
        assert found is not None
        meta = json.loads(found.content)["meta"]
        assert meta == {"versionId": "1", "lastUpdated": "2026-04-05T02:59:59.123Z"}
        assert found.last_updated == NOW
        assert found.content_hash == hashlib.sha256(one.head + one.tail).hexdigest()
        assert found.refs == ("Patient/patient-1",)
        assert queued(uow) == [("patient-1", "Observation/observation-1", 1, "pending")]


@pytest.mark.promise("P6")
def test_the_same_content_again_is_unchanged_and_queues_nothing(store: Store, publisher: Publisher) -> None:
    for _ in range(2):
        with store.begin() as uow:
            if not uow.people.find(PersonId("patient-1")):
                add_person(uow, 1)
            (done,) = publisher.publish(uow, [resource("observation-1")], now=NOW)
    assert (done.version, done.changed) == (1, False)
    with store.read() as uow:
        assert len(uow.published.history(INTERNAL, "Observation", "observation-1")) == 1
        assert len(queued(uow)) == 1


def test_other_content_is_the_next_version_and_the_waiting_one_gives_way(
    store: Store, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("observation-1", text="a")], now=NOW)
    with store.begin() as uow:
        (done,) = publisher.publish(uow, [resource("observation-1", text="b")], now=NOW + MINUTE)
    assert (done.version, done.changed) == (2, True)
    with store.read() as uow:
        versions = uow.published.history(INTERNAL, "Observation", "observation-1")
        assert [(v.version, v.current, json.loads(v.content)["text"]) for v in versions] == [
            (2, True, "b"),
            (1, False, "a"),
        ]
        assert [row[2:] for row in queued(uow)] == [(1, "superseded"), (2, "pending")]


def test_content_that_goes_back_is_a_version_of_its_own(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        for text in "aba":
            publisher.publish(uow, [resource("observation-1", text=text)], now=NOW)
        assert [v.version for v in uow.published.history(INTERNAL, "Observation", "observation-1")] == [
            3,
            2,
            1,
        ]


def test_two_versions_in_one_call_are_both_kept_and_the_newer_one_is_sent(
    store: Store, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        steps = [resource("task-1", type="Task", text=text) for text in ("requested", "accepted")]
        assert [d.version for d in publisher.publish(uow, steps, now=NOW)] == [1, 2]
        versions = uow.published.history(INTERNAL, "Task", "task-1")
        assert [(v.version, v.current) for v in versions] == [(2, True), (1, False)]
        assert [row[2:] for row in queued(uow)] == [(2, "pending")]


def test_a_transaction_has_one_moment_and_moments_rise_even_when_the_clock_falls_back(
    store: Store, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("observation-1")], now=NOW)
        publisher.publish(uow, [resource("observation-2")], now=NOW + MINUTE)
    with store.begin() as uow:
        publisher.publish(uow, [resource("observation-3")], now=NOW - 60 * MINUTE)
    with store.read() as uow:
        moments = {
            str(v.id): v.last_updated for v in uow.published.of_person(INTERNAL, PersonId("patient-1"))
        }
    assert moments["observation-1"] == moments["observation-2"] == NOW
    assert (moments["observation-3"] - NOW).total_seconds() == 0.001


def test_what_many_refer_to_travels_before_the_people(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        shared = [
            resource("questionnaire-1", type="Questionnaire", of=None, sharing=Sharing.DEFINITION),
            resource("practitioner-1", type="Practitioner", sharing=Sharing.REFERRAL, episode=False),
        ]
        publisher.publish(uow, [*shared, resource("observation-1")], now=NOW)
        assert [row[0] for row in queued(uow)] == [DEFINITIONS_LANE, DEFINITIONS_LANE, "patient-1"]


def test_without_consent_a_record_is_published_and_not_queued_while_the_referral_side_is(
    store: Store, publisher: Publisher
) -> None:
    with store.begin() as uow:
        add_person(uow, 1, share=False)
        resources = [
            resource("patient-1", type="Patient", sharing=Sharing.RECORD, episode=False),
            resource("observation-1"),
            resource("task-1", type="Task", sharing=Sharing.REFERRAL),
        ]
        assert all(done.changed for done in publisher.publish(uow, resources, now=NOW))
        assert [row[1] for row in queued(uow)] == ["Task/task-1"]


@pytest.mark.promise("P15")
def test_a_person_in_doubt_queues_nothing_of_the_record(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1, doubtful=True)
        publisher.publish(uow, [resource("observation-1")], now=NOW)
        assert queued(uow) == []
        assert uow.published.find(Reader.ehr(referral(1).client), "Observation", "observation-1") is None


@pytest.mark.promise("P12")
def test_consent_withdrawn_stops_what_is_unsent_and_given_again_publishes_anew(
    store: Store, publisher: Publisher
) -> None:
    ehr = Reader.ehr(referral(1).client)
    episode = EpisodeId("episode-1")
    with store.begin() as uow:
        add_person(uow, 1)
        resources = [
            resource("patient-1", type="Patient", episode=False),
            resource("observation-1", tokens=[("identifier", "urn:us", "o1"), ("code", "urn:loinc", "1")]),
            resource("task-1", type="Task", sharing=Sharing.REFERRAL),
        ]
        publisher.publish(uow, resources, now=NOW)
    with store.begin() as uow:
        quiet = uow.episodes.set_consent(uow.episodes.get(episode), False, by="redcap", now=NOW)
        assert publisher.withhold(uow, quiet) == 2
    with store.read() as uow:
        assert [row[1::2] for row in queued(uow)] == [
            ("Patient/patient-1", "withheld"),
            ("Observation/observation-1", "withheld"),
            ("Task/task-1", "pending"),
        ]
        assert uow.published.find(ehr, "Observation", "observation-1") is None
    with store.begin() as uow:
        open_again = uow.episodes.set_consent(uow.episodes.get(episode), True, by="redcap", now=NOW)
        again = publisher.republish_records(uow, open_again, now=NOW + MINUTE)
        assert [(d.reference, d.changed) for d in again] == [
            ("Patient/patient-1/_history/2", True),
            ("Observation/observation-1/_history/2", True),
        ]
    with store.read() as uow:
        found = uow.published.find(ehr, "Observation", "observation-1")
        assert found is not None and found.last_updated == NOW + MINUTE
        body = json.loads(found.content)
        assert body["meta"] == {"versionId": "2", "lastUpdated": "2026-04-05T03:00:59.123Z"}
        assert body["text"] == "a"
        assert [row[1:] for row in queued(uow) if row[3] == "pending"] == [
            ("Task/task-1", 1, "pending"),
            ("Patient/patient-1", 2, "pending"),
            ("Observation/observation-1", 2, "pending"),
        ]
    with store.begin() as uow:  # and a repeat of the fact is still a repeat
        (same,) = publisher.publish(uow, [resources[1]], now=NOW)
        assert not same.changed


def test_consent_of_another_episode_keeps_the_patient_readable(store: Store, publisher: Publisher) -> None:
    with store.begin() as uow:
        add_person(uow, 1)
        add_person(uow, 2)
        uow.episodes.repoint(uow.episodes.get(EpisodeId("episode-2")), PersonId("patient-1"), by="x", now=NOW)
        publisher.publish(uow, [resource("patient-1", type="Patient", episode=False)], now=NOW)
        quiet = uow.episodes.set_consent(
            uow.episodes.get(EpisodeId("episode-1")), False, by="redcap", now=NOW
        )
        assert publisher.withhold(uow, quiet) == 0


def test_the_same_content_on_another_side_of_the_house_is_news(store: Store, publisher: Publisher) -> None:
    practice = referral(1).client
    with store.begin() as uow:
        add_person(uow, 1, share=False)
        publisher.publish(uow, [resource("document-1", type="DocumentReference")], now=NOW)
        owned = resource("document-1", type="DocumentReference", sharing=Sharing.REFERRAL, owner=practice)
        (done,) = publisher.publish(uow, [owned], now=NOW)
        assert (done.version, done.changed) == (2, True)
        assert uow.published.find(Reader.practice(practice), "DocumentReference", "document-1") is not None


def test_publishing_needs_the_transaction_that_holds_the_clock(store: Store, publisher: Publisher) -> None:
    with pytest.raises(RuntimeError), store.begin_without_publishing() as uow:
        publisher.publish(uow, [resource("observation-1")], now=NOW)


@pytest.mark.promise("P5")
def test_nothing_of_a_transaction_that_fails_is_kept(store: Store, publisher: Publisher) -> None:
    class Stop(Exception):
        """The power went."""

    with pytest.raises(Stop), store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, [resource("observation-1")], now=NOW)
        raise Stop
    with store.read() as uow:
        assert uow.people.find(PersonId("patient-1")) is None
        assert uow.published.counts_by_type() == {}
        assert uow.deliveries.counts() == {}
        assert uow.published.clock() == 0


def test_a_batch_of_a_commit_is_published_in_one_go(store: Store, publisher: Publisher) -> None:
    batch = [resource(f"observation-{n}", text=str(n)) for n in range(2500)]
    with store.begin() as uow:
        add_person(uow, 1)
        publisher.publish(uow, batch, now=NOW)
    with store.begin() as uow:
        batch[7] = resource("observation-7", text="other")
        changed = [d.reference for d in publisher.publish(uow, batch, now=NOW) if d.changed]
        assert changed == ["Observation/observation-7/_history/2"]
        assert uow.deliveries.counts()[uow.deliveries.get(1).destination] == {
            DeliveryState.PENDING: 2500,
            DeliveryState.SUPERSEDED: 1,
        }
