"""Search: by which parameter what is found, in what order, and what is refused."""

import pytest

from fhir_pmp.pathway.facts import Sharing
from tests.integration.web.web_harness import WebHarness, observation, resource, resource_ids


@pytest.fixture
def filled(harness: WebHarness) -> WebHarness:
    for name in ("a", "b"):
        harness.enrol(name)
    # One transaction each: their lastUpdated rises in this order, a second apart.
    for one in (
        observation("a-march", "a", on="2026-03-10"),
        observation("a-april", "a", on="2026-04-05T10:00:00+10:00", code="gad7"),
        observation("a-safety", "a", on="2026-03-31", category="safety"),
        observation("b-march", "b", on="2026-03-20T08:00:00Z"),
    ):
        harness.clock.advance(seconds=1)
        harness.publish(one)
    return harness


# What each search finds. Sydney is ten hours ahead of UTC from 5 April 2026 on, eleven before.
FOUND = {
    "patient=patient-a": ["a-march", "a-april", "a-safety"],
    "patient=Patient/patient-b": ["b-march"],
    "patient=http://localhost/fhir/Patient/patient-b": ["b-march"],
    "subject=Patient/patient-b": ["b-march"],
    "patient=nobody": [],
    "code=phq9": ["a-march", "a-safety", "b-march"],
    "code=http://loinc.org|gad7": ["a-april"],
    "code=urn:ours|o-gad7": ["a-april"],
    "code=urn:ours|gad7": [],
    "code=|gad7": [],
    "code=gad7,o-phq9": ["a-march", "a-april", "a-safety", "b-march"],
    "code=phq9&code=o-phq9&patient=patient-b": ["b-march"],
    "code=phq9&code=gad7": [],
    "category=safety": ["a-safety"],
    "patient=patient-a&category=survey&code=phq9": ["a-march"],
    "status=final&patient=patient-b": ["b-march"],
    "identifier=urn:scores|a-april": ["a-april"],
    "_id=a-march,b-march": ["a-march", "b-march"],
    "_id=a-march&_id=b-march": [],
    "_id=a-march&patient=patient-b": [],
    "date=2026-03-10": ["a-march"],
    "date=eq2026-03": ["a-march", "a-safety", "b-march"],
    "date=2026": ["a-march", "a-april", "a-safety", "b-march"],
    "date=ne2026-03": ["a-april"],
    "date=gt2026-03-10": ["a-april", "a-safety", "b-march"],
    "date=ge2026-03-10": ["a-march", "a-april", "a-safety", "b-march"],
    "date=lt2026-03-20": ["a-march"],
    "date=le2026-03-20": ["a-march", "b-march"],
    "date=sa2026-03-20": ["a-april", "a-safety"],
    "date=eb2026-03-20": ["a-march"],
    "date=ge2026-03-15&date=lt2026-04": ["a-safety", "b-march"],
    "date=2026-04-05T10:00:00%2B10:00": ["a-april"],
    "date=2026-04-05T00:00:00Z": ["a-april"],
    "date=2026-04-05T10:00": ["a-april"],  # no offset: the clinic's zone
    "date=2026-04-05": ["a-april"],
    # The 20th in Sydney began on the 19th at 13:00 UTC; 8:00 UTC is its evening.
    "date=2026-03-20&patient=patient-b": ["b-march"],
    "date=lt2026-03-20T08:00:00Z&patient=patient-b": [],
    "_sort=date": ["a-march", "b-march", "a-safety", "a-april"],
    "_sort=-date": ["a-april", "a-safety", "b-march", "a-march"],
    "_sort=-_lastUpdated": ["b-march", "a-safety", "a-april", "a-march"],
}


def test_each_search_finds_what_it_says(filled: WebHarness) -> None:
    for query, expected in FOUND.items():
        answer = filled.get("ehr", f"/fhir/Observation?{query}")
        assert answer.status_code == 200, (query, answer.data)
        assert resource_ids(answer.json) == expected, query


def test_last_updated_is_compared_to_the_millisecond(filled: WebHarness) -> None:
    bundle = filled.get("ehr", "/fhir/Observation?patient=patient-a").json
    assert bundle is not None
    stamps = [entry["resource"]["meta"]["lastUpdated"] for entry in bundle["entry"]]
    for prefix, expected in {
        "": ["a-april"],
        "gt": ["a-safety", "b-march"],
        "ge": ["a-april", "a-safety", "b-march"],
        "lt": ["a-march"],
        "le": ["a-march", "a-april"],
    }.items():
        found = filled.get("ehr", f"/fhir/Observation?_lastUpdated={prefix}{stamps[1]}")
        assert resource_ids(found.json) == expected, prefix


def test_questionnaires_are_found_by_url_and_version(harness: WebHarness) -> None:
    url = "https://clinic.example/fhir/Questionnaire/phq9"
    found = harness.get("ehr", f"/fhir/Questionnaire?url={url}").json
    assert found is not None
    assert [entry["resource"]["url"] for entry in found["entry"]] == [url]
    version = found["entry"][0]["resource"]["version"]
    assert resource_ids(
        harness.get("ehr", f"/fhir/Questionnaire?url={url}&version={version}").json
    ) == resource_ids(found)
    assert resource_ids(harness.get("ehr", f"/fhir/Questionnaire?url={url}&version=no-such").json) == []
    assert (
        resource_ids(
            harness.get("ehr", "/fhir/Questionnaire?url=https://clinic.example/fhir/Questionnaire/").json
        )
        == []
    )


def test_responses_are_found_by_questionnaire_with_and_without_version(harness: WebHarness) -> None:
    harness.enrol("a")
    canonical = "https://clinic.example/fhir/Questionnaire/phq9"
    for id, version in (("one", "1"), ("two", "2")):
        canonical_version = f"{canonical}|{version}"
        harness.publish(
            resource(
                "QuestionnaireResponse",
                id,
                "a",
                questionnaire=canonical_version,
                status="completed",
                authored="2026-03-01",
            )
        )
    for query, expected in {
        f"questionnaire={canonical}": ["one", "two"],
        f"questionnaire={canonical}|2": ["two"],
        f"questionnaire={canonical}%7C2": ["two"],
        f"questionnaire={canonical}|3": [],
        "authored=ge2026-03&patient=patient-a": ["one", "two"],
        "authored=2026-02": [],
    }.items():
        answer = harness.get("ehr", f"/fhir/QuestionnaireResponse?{query}")
        assert resource_ids(answer.json) == expected, query


def test_referral_and_letter_types_are_found_by_patient_and_identifier(harness: WebHarness) -> None:
    harness.enrol("a")
    for kind in ("ServiceRequest", "Task", "DocumentReference"):
        identifier = [{"system": "urn:own", "value": f"{kind}|1, of two"}]
        harness.publish(
            resource(
                kind,
                f"{kind.lower()}-1",
                "a",
                sharing=Sharing.REFERRAL,
                owner="practice",
                identifier=identifier,
            )
        )
    for kind in ("ServiceRequest", "Task", "DocumentReference"):
        for who in ("ehr", "practice"):
            assert resource_ids(harness.get(who, f"/fhir/{kind}?patient=patient-a").json) == [
                f"{kind.lower()}-1"
            ]
            # A bar and a comma inside a value are escaped.
            escaped = f"/fhir/{kind}?identifier=urn:own|{kind}%5C|1%5C, of two"
            assert resource_ids(harness.get(who, escaped).json) == [f"{kind.lower()}-1"]


def test_a_patient_is_found_by_identifier_in_a_body_as_in_an_address(harness: WebHarness) -> None:
    harness.enrol("a")
    identifier = [{"system": "urn:medicare", "value": "2951000001"}]
    harness.publish(resource("Patient", "patient-a", "a", identifier=identifier))
    by_get = harness.get("ehr", "/fhir/Patient?identifier=urn:medicare|2951000001")
    by_post = harness.call(
        "ehr", "POST", "/fhir/Patient/_search", data={"identifier": "urn:medicare|2951000001"}
    )
    assert resource_ids(by_get.json) == resource_ids(by_post.json) == ["patient-a"]
    both = harness.call(
        "ehr", "POST", "/fhir/Patient/_search?_id=patient-b", data={"identifier": "2951000001"}
    )
    assert resource_ids(both.json) == []
    wrong = harness.call("ehr", "POST", "/fhir/Patient/_search", json={"identifier": "2951000001"})
    assert wrong.status_code == 415


def test_a_search_shows_each_reader_only_what_it_may_see(filled: WebHarness) -> None:
    filled.consent("a", False)
    assert resource_ids(filled.get("ehr", "/fhir/Observation").json) == ["b-march"]
    assert resource_ids(filled.get("practice", "/fhir/Observation").json) == []
    # The number of matches must not tell either.
    assert filled.get("ehr", "/fhir/Observation?_count=0").json["total"] == 1  # type: ignore[index]
    assert filled.get("practice", "/fhir/Observation?_count=0").json["total"] == 0  # type: ignore[index]


def test_entries_name_their_address_and_links_the_search(filled: WebHarness) -> None:
    bundle = filled.get("ehr", "/fhir/Observation?patient=patient-b&_format=json").json
    assert bundle is not None
    assert bundle["type"] == "searchset"
    assert bundle["entry"][0]["fullUrl"] == "http://localhost/fhir/Observation/b-march"
    assert bundle["entry"][0]["search"] == {"mode": "match"}
    assert bundle["link"] == [
        {"relation": "self", "url": "http://localhost/fhir/Observation?patient=patient-b&_format=json"}
    ]


# Each wrong query, and the fields its OperationOutcome must name.
REFUSED = {
    "foo=1": ["foo"],
    "foo=1&bar=2": ["foo", "bar"],
    "code:not=phq9": ["code:not"],
    "patient.identifier=1": ["?"],
    "_include=Observation:subject": ["_include"],
    "_summary=count": ["_summary"],
    "code=": ["code"],
    "code=phq9|": ["code"],
    "code=a|b|c": ["code"],
    "patient=a/b/c": ["patient"],
    "patient=Practitioner/x": ["patient"],
    "patient=a&patient=b": ["patient"],
    "date=01.03.2026": ["date"],
    "date=2026-13": ["date"],
    "date=2026-02-30": ["date"],
    "date=2026-03-01T25:00:00Z": ["date"],
    "date=ap2026": ["date"],
    "date=2026-03,2026-04": ["date"],
    "date=2026-04-05T10:00:00+10:00": ["date"],  # the + arrives as a space
    "date=0000": ["date"],
    "_lastUpdated=yesterday": ["_lastUpdated"],
    "_sort=code": ["_sort"],
    "_sort=date,_lastUpdated": ["_sort"],
    "_count=-1": ["_count"],
    "_count=many": ["_count"],
    "_count=1&_count=2": ["_count"],
    "_format=xml": ["_format"],
    "code=%00": ["code"],
    "code=%FF": ["parameters"],
    "_id=a/b": ["_id"],
    "code=x&_page=invented": ["code"],
    "_page=invented": ["_page"],
    "_page=": ["_page"],
    "Mallory Canary=1": ["?"],
    "date=canary&date=canary2&code=": ["date", "date", "code"],
}


def test_what_a_search_does_not_understand_is_refused_by_name(filled: WebHarness) -> None:
    for query, fields in REFUSED.items():
        answer = filled.get("ehr", f"/fhir/Observation?{query}")
        assert answer.status_code == 400, query
        outcome = answer.json
        assert outcome is not None
        assert outcome["resourceType"] == "OperationOutcome"
        assert [issue["expression"][0] for issue in outcome["issue"]] == fields, query
        assert b"canary" not in answer.data.lower()


def test_types_that_are_not_searched_say_so(harness: WebHarness) -> None:
    for kind in ("Condition", "Bundle", "Nonsense"):
        answer = harness.get("ehr", f"/fhir/{kind}")
        assert answer.status_code == 404
        assert answer.json["resourceType"] == "OperationOutcome"  # type: ignore[index]


def test_a_caller_that_takes_no_json_is_told(harness: WebHarness) -> None:
    for accept, status in {
        "application/fhir+json": 200,
        "application/json": 200,
        "*/*": 200,
        "application/fhir+xml, application/fhir+json;q=0.5": 200,
        "application/fhir+json; fhirVersion=4.0": 200,
        "application/fhir+xml": 406,
        "text/html": 406,
    }.items():
        assert harness.get("ehr", "/fhir/Observation", headers={"Accept": accept}).status_code == status, (
            accept
        )
