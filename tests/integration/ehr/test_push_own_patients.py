"""A push to a bare FHIR store: everything arrives once, in order, and a repeat sends nothing."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.config.work_item_kinds import DELIVERY_REFUSED
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault, is_write
from tests.integration.ehr.sample_resources import (
    add_people,
    everything_about,
    organization,
    patient,
    practitioner,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.integration.store.sample_records import episode
from tests.stub_ehr.json_text import from_json


def end_consent(harness: SyncHarness) -> None:
    """The person wants nothing shared any more."""
    with harness.store.begin() as uow:
        uow.episodes.set_consent(episode(1), False, by="test", now=harness.now)


def test_everything_published_arrives_as_it_was_published(harness: SyncHarness, ehr: EhrObserver) -> None:
    publish_people(harness.store, 5)
    pushed = harness.push()
    assert pushed.counts == {"sent": 1 + 5 * 8}
    assert harness.states() == {"sent": 41}
    for delivery in harness.deliveries():
        there = ehr.get(delivery.reference)
        ours = from_json(delivery.content)
        assert {**there, "meta": None} == {**ours, "meta": None}
    assert [len(ehr.all(kind)) for kind in ("Patient", "Observation", "Bundle")] == [5, 15, 5]


def test_a_repeat_sends_nothing(harness: SyncHarness, proxy: FaultProxy) -> None:
    publish_people(harness.store, 2)
    harness.push()
    calls = len(proxy.seen)
    publish(harness.store, everything_about(1))
    assert harness.push().counts == {}
    assert len(proxy.seen) == calls


@pytest.mark.promise("P4")
def test_the_definitions_lane_goes_before_the_people(harness: SyncHarness, proxy: FaultProxy) -> None:
    publish_people(harness.store, 3)
    harness.push()
    first, *others = proxy.written_bodies()
    assert first.startswith(b'{"resourceType":"Organization","id":"organization-1"')
    assert all(b'"resourceType":"Organization"' not in body for body in others)


@pytest.mark.promise("P4")
def test_a_person_travels_in_one_transaction_targets_first(harness: SyncHarness, proxy: FaultProxy) -> None:
    publish_people(harness.store, 1)
    harness.push()
    bundle = from_json(proxy.written_bodies()[1])
    assert bundle["type"] == "transaction"
    urls = [entry["request"]["url"] for entry in bundle["entry"]]
    assert len(urls) == 8
    assert urls.index("Patient/patient-1") < urls.index("QuestionnaireResponse/response-1-1")
    assert urls.index("QuestionnaireResponse/response-1-1") < urls.index("Observation/score-1-1")


def test_a_long_history_is_cut_into_bundles_targets_first(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    harness.destination = destination(entries=5)
    publish_people(harness.store, 1, each=6)
    assert harness.push().counts["sent"] == 15
    assert len(ehr.all("Observation")) == 6
    assert [len(from_json(body)["entry"]) for body in proxy.written_bodies()[1:]] == [
        5,
        5,
        4,
    ]


def test_an_amended_resource_goes_with_the_version_it_replaces(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "6.00", status="amended"), score(1, 2, "5.00", status="amended")])
    assert harness.push().counts == {"sent": 2}
    bundle = from_json(proxy.written_bodies()[-1])
    assert [entry["request"]["ifMatch"] for entry in bundle["entry"]] == ['W/"1"', 'W/"1"']
    assert ehr.get("Observation/score-1-1")["status"] == "amended"
    assert ehr.versions("Observation/score-1-1") == 2
    assert ehr.versions("Observation/score-1-3") == 1


def test_only_the_newest_version_of_a_resource_travels(harness: SyncHarness, ehr: EhrObserver) -> None:
    publish_people(harness.store, 1)
    publish(harness.store, [score(1, 1, "6.00")])
    publish(harness.store, [score(1, 1, "5.00")])
    harness.push()
    assert harness.states() == {"sent": 9, "superseded": 2}
    assert ehr.versions("Observation/score-1-1") == 1
    assert str(ehr.get("Observation/score-1-1")["valueQuantity"]["value"]) == "5.00"


@pytest.mark.promise("P12")
def test_without_consent_nothing_of_the_record_leaves(harness: SyncHarness, ehr: EhrObserver) -> None:
    add_people(harness.store, [1], share=False)
    publish(harness.store, [organization(), *everything_about(1)])
    assert harness.push().counts == {"sent": 1}
    assert ehr.all("Patient") == []


@pytest.mark.promise("P12")
def test_consent_that_ends_while_a_lane_is_claimed_stops_it_before_it_is_sent(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "6.00")])
    with harness.store.begin_without_publishing() as uow:
        to, lease = harness.destination.id, timedelta(seconds=60)
        uow.outbox.claim_due(to, now=harness.now, lease=lease, lanes=1, per_lane=10)
    end_consent(harness)
    harness.later(minutes=2)
    assert harness.push().counts == {"withheld": 1}
    assert ehr.versions("Observation/score-1-1") == 1


@pytest.mark.promise("P12")
def test_consent_that_ends_between_two_writes_of_a_lane_stops_the_second(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    harness.destination = destination(entries=1)
    publish(harness.store, [score(1, 1, "6.00"), score(1, 2, "7.00")])
    proxy.plan = lambda call: InjectedFault("consent ends", after_upstream=lambda: end_consent(harness))
    harness.learn_capability(at=ehr.address)
    assert harness.push().counts == {"sent": 1, "withheld": 1}
    assert [ehr.versions(f"Observation/score-1-{n}") for n in (1, 2)] == [2, 1]


@pytest.mark.promise("P12")
def test_consent_that_ends_while_a_conflict_is_looked_at_stops_what_would_follow(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "6.00"), score(1, 2, "7.00")])
    conflicts = iter([InjectedFault("conflict", status=409)])
    reads = iter([InjectedFault("consent ends", after_upstream=lambda: end_consent(harness))])
    proxy.plan = lambda call: next(conflicts if is_write(call) else reads, None)
    harness.learn_capability(at=ehr.address)
    harness.push_until_quiet()
    assert harness.states()["withheld"] == 2
    assert [ehr.versions(f"Observation/score-1-{n}") for n in (1, 2)] == [1, 1]


def test_one_refused_entry_is_buried_with_its_dependants_and_the_rest_goes(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 2)
    # A code outside the required value set: the EHR refuses the whole transaction and does not say which entry.
    publish(harness.store, [questionnaire_response(1, 2, status="finished")])
    pushed = harness.push()
    assert pushed.counts == {"sent": 1 + 8 + 6, "dead": 1, "waiting": 1}
    assert harness.state_of("QuestionnaireResponse/response-1-2") == "dead"
    assert harness.state_of("Observation/score-1-2") == "waiting"
    assert {r["id"] for r in ehr.all("Observation")} == {
        "score-1-1",
        "score-1-3",
        "score-2-1",
        "score-2-2",
        "score-2-3",
    }
    (item,) = harness.work_items()
    assert (item.kind, item.role, item.person) == (DELIVERY_REFUSED, "administrator", "patient-1")
    assert item.details["status"] == 400
    assert "Example" not in str(item)


def test_the_corrected_version_goes_and_what_waited_for_it_follows(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    publish(harness.store, [questionnaire_response(1, 2, status="finished")])
    harness.push()
    publish(harness.store, [questionnaire_response(1, 2, status="amended")])
    assert harness.push().counts == {"sent": 2}
    assert len(ehr.all("Observation")) == 3
    assert harness.work_items() == []


def test_a_reference_to_what_was_never_published_there_becomes_a_logical_one(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    add_people(harness.store, [2])
    strange = questionnaire_response(2, 1, author={"reference": "Practitioner/practitioner-9"})
    publish(harness.store, [organization(), patient(2), strange, score(2, 1)])
    assert harness.push().counts == {"sent": 4}
    assert ehr.get("QuestionnaireResponse/response-2-1")["author"] == {"type": "Practitioner"}


def test_a_refused_practitioner_holds_back_who_refers_to_it_until_it_is_there(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    add_people(harness.store, [1, 2])
    publish(harness.store, [organization(), practitioner(gender="lady"), patient(1), patient(2)])
    written_bodies = {"author": {"reference": "Practitioner/practitioner-1"}}
    publish(
        harness.store,
        [
            questionnaire_response(1, 1),
            score(1, 1),
            questionnaire_response(2, 1, **written_bodies),
            score(2, 1),
        ],
    )
    assert harness.push().counts == {"sent": 5, "dead": 1, "waiting": 2}
    assert harness.state_of("QuestionnaireResponse/response-2-1") == "waiting"
    publish(harness.store, [practitioner(gender="female")])
    assert harness.push().counts == {"sent": 3}
    assert len(ehr.all("Observation")) == 2
    assert harness.work_items() == []
