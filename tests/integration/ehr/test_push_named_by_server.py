"""A server that gives its own ids: written by our identifier, referred to by what it answered, once each."""

import pytest

from fhir_pmp.ehr.destinations import WriteStrategy
from tests.faults.proxy import Fault, FaultProxy, first_where, write_with
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.sample import publish, publish_people, questionnaire_response, score
from tests.integration.store.sample import episode


@pytest.fixture(autouse=True, params=[WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def strategy(house: House, request: pytest.FixtureRequest) -> None:
    """Each conditional way of writing."""
    house.destination = destination(strategy=request.param)


def test_everything_arrives_once_and_refers_to_the_servers_ids(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 2)
    assert house.push().counts == {"sent": 17}
    patients = {p["identifier"][0]["value"]: p["id"] for p in ehr.all("Patient")}
    assert len(patients) == 2
    assert all(id_.isdigit() for id_ in patients.values())
    for response in ehr.all("QuestionnaireResponse"):
        n = response["identifier"]["value"].partition("-")[0]
        assert response["subject"]["reference"] == f"Patient/{patients[f'm{n}']}"
    assert len(ehr.all("Observation")) == 6


def test_an_amendment_goes_to_the_same_place_under_its_version(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(
        house.store, [score(1, 1, "5.00", status="amended"), questionnaire_response(1, 1, status="amended")]
    )
    assert house.push().counts == {"sent": 2}
    assert len(ehr.all("Observation")) == 3
    amended = [o for o in ehr.all("Observation") if o["status"] == "amended"]
    assert [o["meta"]["versionId"] for o in amended] == ["2"]
    assert proxy.written()[-1].count(b'"ifMatch"') == 2


def test_consent_that_ends_while_the_places_are_looked_at_stops_what_would_follow(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, 1, "6.00"), score(1, 2, "7.00")])
    written = len(proxy.written())

    def end_consent() -> None:
        with house.store.begin() as books:
            books.episodes.set_consent(episode(1), False, by="test", now=house.now)

    looks = iter([Fault("consent ends", after_upstream=end_consent)])
    proxy.plan = lambda _: next(looks, None)
    house.learn_capability(at=ehr.address)
    assert house.push().counts == {"withheld": 2}
    assert len(proxy.written()) == written


def test_what_was_sent_is_kept_as_the_server_holds_it(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1, each=1)
    house.push()
    with house.store.read() as books:
        links = books.destination_ids.find_many(
            house.destination.id, ["Patient/patient-1", "Observation/score-1-1"]
        )
        (delivery,) = [d for d in house.deliveries() if d.reference == "Observation/score-1-1"]
        sent = books.deliveries.sent_bytes(delivery.seq)
    assert sent is not None
    assert b"urn:uuid:" not in sent
    assert f'"id":"{links["Observation/score-1-1"].theirs.partition("/")[2]}"'.encode() in sent
    assert f'"reference":"{links["Patient/patient-1"].theirs}"'.encode() in sent


def lose_the_transaction(proxy: FaultProxy) -> None:
    """The answer to the next transaction gets lost."""
    fault = Fault("reset after commit", reset_after=True)
    proxy.plan = first_where(write_with(b'"type":"transaction"'), fault)


def test_an_edit_before_we_knew_where_it_stands_is_not_held_against_what_refers_to_it(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    lose_the_transaction(proxy)
    house.push()
    (response,) = [r for r in ehr.all("QuestionnaireResponse") if r["identifier"]["value"] == "1-1"]
    edited = response | {"language": "en-AU"}
    assert ehr.ask("PUT", f"QuestionnaireResponse/{response['id']}", edited).status_code == 200
    assert house.push_until_quiet()["dead"] == 1
    assert house.states() == {"sent": 8, "dead": 1}
    (item,) = house.work_items()
    assert item.details["resource"] == "QuestionnaireResponse/response-1-1/_history/1"


def test_a_lost_answer_doubles_nothing(house: House, ehr: Ehr, proxy: FaultProxy) -> None:
    publish_people(house.store, 1)
    lose_the_transaction(proxy)
    house.push()
    assert house.states()["pending"] == 8
    assert house.push_until_quiet()["dead"] == 0
    assert [len(ehr.all(kind)) for kind in ("Patient", "QuestionnaireResponse", "Observation")] == [1, 3, 3]
    assert {o["meta"]["versionId"] for o in ehr.all("Observation")} == {"1"}
    assert house.states() == {"sent": 9}
