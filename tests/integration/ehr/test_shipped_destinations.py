"""Each destination file that is shipped, end to end before an EHR that is as the file says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fhir_pmp.ehr.config.destinations import Destination, load_destinations
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.identifiers import DestinationId, EpisodeId, PersonId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.settings import SOURCE_TREE_MAPPINGS
from fhir_pmp.store import Store
from tests.integration.ehr.sample_resources import (
    HOSPITAL,
    MEDICARE,
    add_people,
    identifier,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.stub_server import stub_server
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness
from tests.stub_ehr.json_text import from_json

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SCALES = "https://clinic.example/fhir/CodeSystem/scales"


def shipped(name: str) -> Destination:
    """The file, for the destination that the tests publish for."""
    found: Mapping[DestinationId, Destination] = load_destinations(SOURCE_TREE_MAPPINGS / "destinations")
    return replace(found[DestinationId(name)], id=HOSPITAL)


def of_category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": CATEGORY, "code": code}]}]


def letter(n: int) -> RenderedResource:
    """A signed letter of person `n`."""
    attachment = {"contentType": "application/pdf", "data": "JVBERi0xLjc=", "title": "Discharge letter"}
    resource = {
        "resourceType": "DocumentReference",
        "id": f"letter-{n}",
        "identifier": [identifier("letter", str(n))],
        "status": "current",
        "subject": {"reference": f"Patient/patient-{n}"},
        "author": [{"reference": "Organization/organization-1"}],
        "content": [{"attachment": attachment}],
    }
    person, episode = PersonId(f"patient-{n}"), EpisodeId(f"episode-{n}")
    return render(resource, sharing=Sharing.RECORD, person=person, episode=episode)


def their_patient(ehr: EhrObserver) -> str:
    """Person 1 as the hospital has them; `Patient/id` there."""
    patient = {
        "resourceType": "Patient",
        "active": True,
        "identifier": [{"system": MEDICARE, "value": "m1"}],
        "birthDate": "1970-01-02",
    }
    return f"Patient/{ehr.ask('POST', 'Patient', patient).json()['id']}"


def test_a_bare_fhir_store_takes_everything_under_our_ids(store: Store) -> None:
    with stub_server() as server, SyncHarness(store, server.address) as harness:
        harness.destination = shipped("hapi")
        harness.verify_capability()
        publish_people(store, 1)
        harness.push()
        assert harness.states() == {"sent": 9}
        assert {o["id"] for o in EhrObserver(server.address).all("Observation")} == {
            "score-1-1",
            "score-1-2",
            "score-1-3",
        }


def test_an_ehr_that_takes_observations_alone_gets_those_of_its_categories_in_its_own_words(
    store: Store,
) -> None:
    kinds = ("Patient", "Observation")
    with stub_server(kinds=kinds, client_ids=False) as server, SyncHarness(store, server.address) as harness:
        ehr = EhrObserver(server.address)
        harness.destination = shipped("example-observations")
        harness.verify_capability()
        them = their_patient(ehr)
        add_people(store, [1])
        code = {"coding": [{"system": SCALES, "code": "pseq.total", "display": "PSEQ"}]}
        publish(
            store,
            [
                organization(),
                questionnaire_response(1, 1),
                score(1, 1, category=of_category("survey"), code=code),
                score(1, 2, category=of_category("vital-signs")),
                score(1, 3, category=of_category("laboratory"), derivedFrom=[]),
                score(
                    1,
                    4,
                    category=of_category("survey"),
                    hasMember=[{"reference": "Observation/score-1-3"}],
                    derivedFrom=[{"reference": "Observation/score-1-1"}],
                ),
            ],
        )
        harness.push()
        first, second, fourth = sorted(ehr.all("Observation"), key=lambda o: str(o["identifier"][0]["value"]))
        states = {d.reference: (d.state.value, d.reason) for d in harness.deliveries()}
        (delivery,) = [d for d in harness.deliveries() if d.reference == "Observation/score-1-1"]
        with store.read() as uow:
            sent = uow.deliveries.sent_bytes(delivery.seq) or b""
    assert [coding["code"] for coding in first["code"]["coding"]] == ["PSEQ", "pseq.total"]
    assert first["code"]["coding"][0]["system"] == "urn:oid:2.999.1"
    assert [coding["code"] for coding in second["code"]["coding"]] == ["a-score"]
    assert first["id"].isdigit()
    assert first["subject"]["reference"] == them
    assert first["derivedFrom"] == [
        {"type": "QuestionnaireResponse", "identifier": identifier("response", "1-1")}
    ]
    assert fourth["hasMember"] == [
        {"type": "Observation", "identifier": {"system": "urn:test:score", "value": "1-3"}}
    ]
    assert fourth["derivedFrom"] == [{"reference": f"Observation/{first['id']}"}]
    assert states["Observation/score-1-3"] == (
        "not_wanted",
        "the destination file does not name its category",
    )
    assert states["QuestionnaireResponse/response-1-1"][0] == "not_wanted"
    assert from_json(sent)["code"] == first["code"]
    assert delivery.sent_hash is not None


def test_what_is_said_in_their_words_is_known_as_ours_when_it_is_read(store: Store) -> None:
    """An answer that is lost is settled by reading: what stands there is our code and theirs, and nobody's edit."""
    kinds = ("Patient", "Observation")
    with stub_server(kinds=kinds, client_ids=False) as server, SyncHarness(store, server.address) as harness:
        ehr = EhrObserver(server.address)
        harness.destination = shipped("example-observations")
        harness.verify_capability()
        their_patient(ehr)
        add_people(store, [1])
        code = {"coding": [{"system": SCALES, "code": "pseq.total"}]}
        publish(store, [score(1, 1, category=of_category("survey"), code=code, derivedFrom=[])])
        harness.push()
        with store.begin_without_publishing() as uow:
            (sent,) = [d for d in harness.deliveries() if d.state.value == "sent"]
            uow.delivery_checks.mark_unverified(HOSPITAL, [sent.reference], now=harness.now)
        harness.push()
        assert harness.states() == {"sent": 1}
        assert harness.work_items() == []
        assert [o["meta"]["versionId"] for o in ehr.all("Observation")] == ["1"]


def test_an_ehr_that_takes_documents_alone_gets_the_letters(store: Store) -> None:
    kinds = ("Patient", "DocumentReference")
    with stub_server(kinds=kinds, client_ids=False) as server, SyncHarness(store, server.address) as harness:
        ehr = EhrObserver(server.address)
        harness.destination = shipped("example-documents")
        harness.verify_capability()
        them = their_patient(ehr)
        add_people(store, [1])
        publish(store, [organization(), questionnaire_response(1, 1), score(1, 1), letter(1)])
        harness.push()
        (found,) = ehr.all("DocumentReference")
    assert found["subject"]["reference"] == them
    assert found["author"] == [{"type": "Organization", "identifier": identifier("organization", "1")}]
    assert found["content"][0]["attachment"]["data"] == "JVBERi0xLjc="
    states = {d.type: d.state.value for d in harness.deliveries()}
    assert states == {
        "Organization": "not_wanted",
        "QuestionnaireResponse": "not_wanted",
        "Observation": "not_wanted",
        "DocumentReference": "sent",
    }


@pytest.mark.parametrize("name", ["example-observations", "example-documents", "example-hospital"])
def test_an_example_keeps_its_own_patients(name: str) -> None:
    assert not shipped(name).accepts_type("Patient")
