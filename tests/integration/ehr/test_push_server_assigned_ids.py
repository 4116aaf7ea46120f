"""A server that gives its own ids: written by our identifier, referred to by what it answered, once each."""

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault, first_where, is_write_containing
from tests.integration.ehr.sample_resources import publish, publish_people, questionnaire_response, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.integration.store.sample_records import episode


@pytest.fixture(autouse=True, params=[WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def strategy(harness: SyncHarness, request: pytest.FixtureRequest) -> None:
    """Each conditional way of writing."""
    harness.destination = destination(strategy=request.param)


def test_everything_arrives_once_and_refers_to_the_servers_ids(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 2)
    assert harness.push().counts == {"sent": 17}
    patients = {p["identifier"][0]["value"]: p["id"] for p in ehr.all("Patient")}
    assert len(patients) == 2
    assert all(id_.isdigit() for id_ in patients.values())
    for response in ehr.all("QuestionnaireResponse"):
        n = response["identifier"]["value"].partition("-")[0]
        assert response["subject"]["reference"] == f"Patient/{patients[f'm{n}']}"
    assert len(ehr.all("Observation")) == 6


def test_an_amendment_goes_to_the_same_place_under_its_version(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(
        harness.store, [score(1, 1, "5.00", status="amended"), questionnaire_response(1, 1, status="amended")]
    )
    assert harness.push().counts == {"sent": 2}
    assert len(ehr.all("Observation")) == 3
    amended = [o for o in ehr.all("Observation") if o["status"] == "amended"]
    assert [o["meta"]["versionId"] for o in amended] == ["2"]
    assert proxy.written_bodies()[-1].count(b'"ifMatch"') == 2


@pytest.mark.promise("P12")
def test_consent_that_ends_while_the_places_are_looked_at_stops_what_would_follow(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "6.00"), score(1, 2, "7.00")])
    written_bodies = len(proxy.written_bodies())

    def end_consent() -> None:
        with harness.store.begin() as uow:
            uow.episodes.set_consent(episode(1), False, by="test", now=harness.now)

    looks = iter([InjectedFault("consent ends", after_upstream=end_consent)])
    proxy.plan = lambda _: next(looks, None)
    harness.learn_capability(at=ehr.address)
    assert harness.push().counts == {"withheld": 2}
    assert len(proxy.written_bodies()) == written_bodies


def test_what_was_sent_is_kept_as_the_server_holds_it(harness: SyncHarness, ehr: EhrObserver) -> None:
    publish_people(harness.store, 1, each=1)
    harness.push()
    with harness.store.read() as uow:
        links = uow.remote_ids.find_many(
            harness.destination.id, ["Patient/patient-1", "Observation/score-1-1"]
        )
        (delivery,) = [d for d in harness.deliveries() if d.reference == "Observation/score-1-1"]
        sent = uow.deliveries.sent_bytes(delivery.seq)
    assert sent is not None
    assert b"urn:uuid:" not in sent
    assert f'"id":"{links["Observation/score-1-1"].remote_reference.partition("/")[2]}"'.encode() in sent
    assert f'"reference":"{links["Patient/patient-1"].remote_reference}"'.encode() in sent


def lose_transaction_answer(proxy: FaultProxy) -> None:
    """The answer to the next transaction gets lost."""
    fault = InjectedFault("reset after commit", reset_after=True)
    proxy.plan = first_where(is_write_containing(b'"type":"transaction"'), fault)


@pytest.mark.promise("P3")
def test_an_edit_before_we_knew_where_it_stands_is_not_held_against_what_refers_to_it(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    lose_transaction_answer(proxy)
    harness.push()
    (response,) = [r for r in ehr.all("QuestionnaireResponse") if r["identifier"]["value"] == "1-1"]
    edited = response | {"language": "en-AU"}
    assert ehr.ask("PUT", f"QuestionnaireResponse/{response['id']}", edited).status_code == 200
    assert harness.push_until_quiet()["dead"] == 1
    assert harness.states() == {"sent": 8, "dead": 1}
    (item,) = harness.work_items()
    assert item.details["resource"] == "QuestionnaireResponse/response-1-1/_history/1"


@pytest.mark.promise("P2")
def test_a_lost_answer_doubles_nothing(harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy) -> None:
    publish_people(harness.store, 1)
    lose_transaction_answer(proxy)
    harness.push()
    assert harness.states()["pending"] == 8
    assert harness.push_until_quiet()["dead"] == 0
    assert [len(ehr.all(kind)) for kind in ("Patient", "QuestionnaireResponse", "Observation")] == [1, 3, 3]
    assert {o["meta"]["versionId"] for o in ehr.all("Observation")} == {"1"}
    assert harness.states() == {"sent": 9}
