"""A GP's referral is a transaction Bundle that a FHIR R4 server takes: one Patient, ServiceRequest and Task, all tied together."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from demo.people import Person, cohort, gp_bundle

TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def referred() -> list[Person]:
    return [person for person in cohort(200, seed=1, today=TODAY) if person.referred]


def bundle_of(person: Person) -> dict[str, Any]:
    return gp_bundle(person, person.practice, today=TODAY)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "reference":
                yield inner
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_the_typed_model_of_fhir_takes_every_bundle(referred: list[Person]) -> None:
    for person in referred:
        assert Bundle.model_validate_json(json.dumps(bundle_of(person))).type == "transaction"


def test_a_bundle_holds_exactly_one_patient_request_and_task_each_with_an_identifier(
    referred: list[Person],
) -> None:
    for person in referred:
        bundle = bundle_of(person)
        counts = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
        assert (counts["Patient"], counts["ServiceRequest"], counts["Task"]) == (1, 1, 1)
        assert {
            "Practitioner",
            "Organization",
            "PractitionerRole",
            "Condition",
            "MedicationStatement",
        } <= set(counts)
        for kind in counts:
            (resource,) = resources(bundle, kind)
            assert all(one["system"] and one["value"] for one in resource["identifier"])


def test_full_urls_are_unique_and_every_reference_resolves(referred: list[Person]) -> None:
    for person in referred:
        bundle = bundle_of(person)
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(urls) == len(set(urls))
        assert all(url.startswith("urn:uuid:") for url in urls)
        assert set(references(bundle)) <= set(urls)
        assert all(
            entry["request"] == {"method": "POST", "url": entry["resource"]["resourceType"]}
            for entry in bundle["entry"]
        )


def test_the_task_asks_for_the_request_about_the_patient(referred: list[Person]) -> None:
    for person in referred:
        bundle = bundle_of(person)
        url = {entry["resource"]["resourceType"]: entry["fullUrl"] for entry in bundle["entry"]}
        (task,), (request,) = resources(bundle, "Task"), resources(bundle, "ServiceRequest")
        assert (task["status"], task["intent"]) == ("requested", "order")
        assert task["focus"]["reference"] == url["ServiceRequest"]
        assert task["for"]["reference"] == request["subject"]["reference"] == url["Patient"]
        assert task["requester"] == request["requester"]
        assert (request["status"], request["intent"]) == ("active", "order")
        assert request["code"]["coding"] == [{"system": "http://snomed.info/sct", "code": "306265007"}]
        assert request["reasonCode"][0]["text"]
        assert task["authoredOn"] == request["authoredOn"] == person.referred_on.isoformat()


def test_the_patient_carries_the_medicare_number_and_the_practices_own(referred: list[Person]) -> None:
    for person in referred:
        (patient,) = resources(bundle_of(person), "Patient")
        found = {one["system"]: one["value"] for one in patient["identifier"]}
        own = found.pop(f"https://example.org/practice/{person.practice.identifier}/patient")
        assert own.startswith("R-")
        expected = {"http://ns.electronichealth.net.au/id/medicare-number": person.medicare_number}
        assert found == (expected if person.medicare_number else {})
        assert patient["birthDate"] == person.birth_date.isoformat()
        assert patient["gender"] == person.sex


def test_referrals_of_different_people_share_no_identifier_but_their_doctors(referred: list[Person]) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for person in referred:
        for kind in ("Patient", "ServiceRequest", "Task", "Condition", "MedicationStatement"):
            (resource,) = resources(bundle_of(person), kind)
            seen.update((one["system"], one["value"]) for one in resource["identifier"])
    assert set(seen.values()) == {1}


def test_some_referrals_bring_a_letter_that_is_a_pdf(referred: list[Person]) -> None:
    letters = [letter for person in referred for letter in resources(bundle_of(person), "DocumentReference")]
    assert 0 < len(letters) < len(referred)
    for letter in letters:
        attachment = letter["content"][0]["attachment"]
        pdf = b64decode(attachment["data"], validate=True)
        assert attachment["contentType"] == "application/pdf"
        assert len(pdf) == attachment["size"]
        assert pdf.startswith(b"%PDF-1.")
        assert pdf.endswith(b"%%EOF\n")


def test_the_table_of_the_pdf_points_at_its_objects(referred: list[Person]) -> None:
    letters = [letter for person in referred for letter in resources(bundle_of(person), "DocumentReference")]
    pdf = b64decode(letters[0]["content"][0]["attachment"]["data"])
    table = int(pdf.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert pdf[table:].startswith(b"xref\n0 6\n")
    starts = [int(line[:10]) for line in pdf[table:].split(b"\n")[3:8]]
    assert [pdf[start:].split(b" ", 1)[0] for start in starts] == [b"1", b"2", b"3", b"4", b"5"]


def test_the_same_referral_is_the_same_bundle_every_time(referred: list[Person]) -> None:
    later = TODAY + timedelta(days=30)
    assert all(gp_bundle(one, one.practice, today=later) == bundle_of(one) for one in referred)


def test_a_referral_from_the_future_is_refused(referred: list[Person]) -> None:
    person = referred[0]
    with pytest.raises(ValueError, match="referred_on"):
        gp_bundle(person, person.practice, today=person.referred_on - timedelta(days=1))
