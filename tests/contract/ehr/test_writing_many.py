"""What an EHR does with a Bundle of ours."""

import pytest

from tests.contract.ehr.fhir_caller import Caller, entry, new_id, observation, patient, read, without_meta


def test_a_transaction_is_answered_entry_by_entry_in_order(ehr: Caller) -> None:
    person = patient()
    score = observation(f"Patient/{person['id']}")
    response = ehr.process("transaction", entry(score), entry(person))
    body = read(response)
    assert (response.status_code, body["type"]) == (200, "transaction-response")
    answers = [answer["response"] for answer in body["entry"]]
    assert [answer["status"][:3] for answer in answers] == ["201", "201"]
    assert [answer["etag"].removeprefix("W/").strip('"') for answer in answers] == ["1", "1"]
    assert f"Observation/{score['id']}" in answers[0]["location"]


def test_the_same_transaction_again_changes_no_version(ehr: Caller) -> None:
    person = patient()
    entries = [entry(person), entry(observation(f"Patient/{person['id']}"))]
    ehr.process("transaction", *entries)
    again = read(ehr.process("transaction", *entries))
    assert [answer["response"]["status"][:3] for answer in again["entry"]] == ["200", "200"]
    assert [answer["response"]["etag"].removeprefix("W/").strip('"') for answer in again["entry"]] == [
        "1",
        "1",
    ]


def test_the_same_resource_twice_in_a_transaction_is_400(ehr: Caller) -> None:
    person = patient()
    assert ehr.process("transaction", entry(person), entry(person)).status_code == 400


def test_one_refused_entry_refuses_the_whole_transaction(ehr: Caller) -> None:
    person = patient()
    response = ehr.process("transaction", entry(person), entry(observation(f"Patient/{new_id('nobody')}")))
    assert response.status_code == 400
    assert ehr.ask("GET", f"Patient/{person['id']}").status_code == 404


def test_a_stale_if_match_in_one_entry_rolls_the_whole_transaction_back(ehr: Caller) -> None:
    old, new = patient(), patient()
    ehr.put(old)
    ehr.put(old | {"gender": "other"})
    response = ehr.process("transaction", entry(new), entry(old | {"gender": "male"}, ifMatch='W/"1"'))
    assert response.status_code == 409
    assert ehr.ask("GET", f"Patient/{new['id']}").status_code == 404


def test_a_current_if_match_in_a_transaction_is_taken(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    response = ehr.process("transaction", entry(person | {"gender": "other"}, ifMatch='W/"1"'))
    assert response.status_code == 200
    assert ehr.get(f"Patient/{person['id']}")["meta"]["versionId"] == "2"


def test_in_a_batch_each_entry_stands_for_itself(ehr: Caller) -> None:
    old, new = patient(), patient()
    ehr.put(old)
    ehr.put(old | {"gender": "other"})
    response = ehr.process("batch", entry(new), entry(old | {"gender": "male"}, ifMatch='W/"1"'))
    answers = [answer["response"] for answer in read(response)["entry"]]
    assert response.status_code == 200
    assert [answer["status"][:3] for answer in answers] == ["201", "409"]
    assert answers[1]["outcome"]["resourceType"] == "OperationOutcome"
    assert ehr.ask("GET", f"Patient/{new['id']}").status_code == 200


def test_a_place_holder_becomes_the_id_that_the_server_gives(ehr: Caller) -> None:
    holder = "urn:uuid:8f5c1c6e-6d7d-4c6a-9d5e-0a2f7f1c0a11"
    person, score = patient(), observation(holder)
    del person["id"]
    posted = {"fullUrl": holder, "resource": person, "request": {"method": "POST", "url": "Patient"}}
    assert ehr.process("transaction", posted, entry(score)).status_code == 200
    subject = ehr.get(f"Observation/{score['id']}")["subject"]["reference"]
    assert ehr.get(subject)["identifier"] == person["identifier"]


@pytest.mark.parametrize("way", ["PUT", "POST"])
def test_a_place_holder_of_a_conditional_write_is_resolved_whether_it_matches_or_not(
    ehr: Caller, way: str
) -> None:
    for there in (False, True):
        holder = "urn:uuid:8f5c1c6e-6d7d-4c6a-9d5e-0a2f7f1c0a12"
        person, score = patient(), observation(holder)
        query = f"identifier=urn:test:person%7C{person['id']}"
        if there:
            ehr.put(person)
        without_id = {name: value for name, value in person.items() if name != "id"}
        request = {"method": "PUT", "url": f"Patient?{query}"}
        if way == "POST":
            request = {"method": "POST", "url": "Patient", "ifNoneExist": query}
        written = {"fullUrl": holder, "resource": without_id, "request": request}
        assert ehr.process("transaction", entry(score), written).status_code == 200
        subject = ehr.get(f"Observation/{score['id']}")["subject"]["reference"]
        assert ehr.get(subject)["identifier"] == person["identifier"]
        assert (subject == f"Patient/{person['id']}") is there


def test_a_conditional_update_in_a_transaction_takes_our_id_where_nothing_matches(ehr: Caller) -> None:
    person = patient()
    url = f"Patient?identifier=urn:test:person%7C{person['id']}"
    response = ehr.process("transaction", entry(person) | {"request": {"method": "PUT", "url": url}})
    assert read(response)["entry"][0]["response"]["location"] == f"Patient/{person['id']}/_history/1"


def test_a_document_bundle_keeps_what_is_inside(ehr: Caller) -> None:
    person = patient()
    document = {
        "resourceType": "Bundle",
        "id": new_id("document"),
        "type": "document",
        "identifier": {"system": "urn:test:document", "value": new_id("letter")},
        "timestamp": "2026-03-01T10:11:12+11:00",
        "entry": [
            {
                "fullUrl": "urn:uuid:8f5c1c6e-6d7d-4c6a-9d5e-0a2f7f1c0a12",
                "resource": {
                    "resourceType": "Composition",
                    "status": "final",
                    "type": {"text": "letter"},
                    "subject": {"reference": f"Patient/{person['id']}"},
                    "date": "2026-03-01T10:11:12+11:00",
                    "author": [{"display": "somebody"}],
                    "title": "A letter",
                },
            }
        ],
    }
    ehr.put(person)
    assert ehr.put(document).status_code == 201
    assert without_meta(ehr.get(f"Bundle/{document['id']}"))["entry"] == document["entry"]


def test_a_letter_of_300_kilobytes_is_taken(ehr: Caller) -> None:
    person = patient()
    ehr.put(person)
    letter = {
        "resourceType": "DocumentReference",
        "id": new_id("letter"),
        "status": "current",
        "subject": {"reference": f"Patient/{person['id']}"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": "QUJD" * 75_000}}],
    }
    assert ehr.process("transaction", entry(letter)).status_code == 200
    assert without_meta(ehr.get(f"DocumentReference/{letter['id']}")) == letter
