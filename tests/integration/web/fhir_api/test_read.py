"""Read and vread: bytes as published, versions, who may see what, and that every look is written down."""

import hashlib
from email.utils import parsedate_to_datetime

import pytest

from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.web.web_harness import WebHarness, observation, resource


@pytest.fixture
def shared(harness: WebHarness) -> WebHarness:
    harness.enrol("a")
    harness.publish(observation("obs-a", "a"))
    return harness


@pytest.mark.promise("P14")
def test_a_resource_is_served_byte_for_byte_as_published(shared: WebHarness) -> None:
    with shared.store.read() as uow:
        published = uow.published.find(Reader.internal(), "Observation", "obs-a")
    assert published is not None
    answer = shared.get("ehr", "/fhir/Observation/obs-a")
    assert answer.status_code == 200
    assert answer.data == published.content
    assert answer.content_type == "application/fhir+json"
    served = read_fhir_json(answer.data, max_bytes=10_000)
    assert served["meta"]["versionId"] == "1"
    without_meta = answer.data.replace(b'"meta":%b,' % _meta(answer.data), b"", 1)
    assert hashlib.sha256(without_meta).hexdigest() == published.content_hash


def _meta(body: bytes) -> bytes:
    start = body.index(b'"meta":') + len(b'"meta":')
    return body[start : body.index(b"}", start) + 1]


def test_version_and_moment_stand_in_the_headers(shared: WebHarness) -> None:
    answer = shared.get("ehr", "/fhir/Observation/obs-a")
    assert answer.headers["ETag"] == 'W/"1"'
    moment = parsedate_to_datetime(answer.headers["Last-Modified"])
    # The clock stands still: publishing gave the second transaction the next millisecond of the same second.
    assert moment == shared.clock.now.replace(microsecond=0)


def test_what_the_caller_has_is_not_sent_again(shared: WebHarness) -> None:
    path = "/fhir/Observation/obs-a"
    for has in ('W/"1"', '"1"', 'W/"7", W/"1"', "*"):
        again = shared.get("ehr", path, headers={"If-None-Match": has})
        assert (again.status_code, again.data) == (304, b""), has
        assert again.headers["ETag"] == 'W/"1"'
    assert shared.get("ehr", path, headers={"If-None-Match": 'W/"2"'}).status_code == 200


def test_a_new_version_is_current_and_the_old_one_stays_readable(shared: WebHarness) -> None:
    first = shared.get("ehr", "/fhir/Observation/obs-a").data
    shared.publish(observation("obs-a", "a", value=6))
    now = shared.get("ehr", "/fhir/Observation/obs-a", headers={"If-None-Match": 'W/"1"'})
    assert now.status_code == 200
    assert now.headers["ETag"] == 'W/"2"'
    assert shared.get("ehr", "/fhir/Observation/obs-a/_history/1").data == first
    assert shared.get("ehr", "/fhir/Observation/obs-a/_history/2").data == now.data
    for path in ("_history/3", "_history/0", "_history/x", "_history/99999999999"):
        assert shared.get("ehr", f"/fhir/Observation/obs-a/{path}").status_code == 404, path


def test_head_says_the_same_without_a_body(shared: WebHarness) -> None:
    answer, body = (
        shared.call("ehr", "HEAD", "/fhir/Observation/obs-a"),
        shared.get("ehr", "/fhir/Observation/obs-a"),
    )
    assert answer.data == b""
    assert answer.status_code == 200
    for name in ("ETag", "Last-Modified", "Content-Type", "Content-Length"):
        assert answer.headers[name] == body.headers[name]


def test_without_consent_the_record_is_not_there(shared: WebHarness) -> None:
    shared.consent("a", False)
    for path in ("/fhir/Observation/obs-a", "/fhir/Observation/obs-a/_history/1"):
        gone, never = shared.get("ehr", path), shared.get("ehr", path.replace("obs-a", "obs-never"))
        assert gone.status_code == 404
        assert gone.data == never.data  # nothing tells the two apart
    shared.consent("a", True)
    assert shared.get("ehr", "/fhir/Observation/obs-a").headers["ETag"] == 'W/"2"'


def test_a_practice_reads_its_own_and_no_other_practices(harness: WebHarness) -> None:
    harness.enrol("a", share=False)
    harness.publish(
        resource("Task", "task-own", "a", sharing=Sharing.REFERRAL, owner="practice", status="requested"),
        resource("Task", "task-other", "a", sharing=Sharing.REFERRAL, owner="another", status="requested"),
        observation("obs-a", "a"),
    )
    assert harness.get("practice", "/fhir/Task/task-own").status_code == 200
    other, never = (harness.get("practice", f"/fhir/Task/{id}") for id in ("task-other", "task-never"))
    assert (other.status_code, other.data) == (404, never.data)
    assert harness.get("practice", "/fhir/Observation/obs-a").status_code == 404
    assert harness.get("ehr", "/fhir/Task/task-other").status_code == 200


def test_definitions_are_there_for_both(harness: WebHarness) -> None:
    questionnaire = harness.get("ehr", "/fhir/Questionnaire?_count=1").json["entry"][0]["resource"]  # type: ignore[index]
    for who in ("ehr", "practice"):
        assert harness.get(who, f"/fhir/Questionnaire/{questionnaire['id']}").status_code == 200


def test_every_look_is_written_down_with_versions_and_people(shared: WebHarness) -> None:
    shared.publish(observation("obs-a", "a", value=6))
    before = len(shared.audit_rows())
    answers = [
        shared.get("ehr", "/fhir/Observation/obs-a"),
        shared.get("ehr", "/fhir/Observation/obs-a", headers={"If-None-Match": 'W/"2"'}),
        shared.get("ehr", "/fhir/Observation/obs-a/_history/1"),
        shared.get("ehr", "/fhir/Observation/nothing"),
        shared.get("ehr", "/fhir/Observation?patient=patient-a"),
    ]
    rows = shared.audit_rows()[before:]
    assert [row.request_id for row in rows] == [answer.headers["X-Request-Id"] for answer in answers]
    assert [row.outcome for row in rows] == ["200", "304", "200", "404", "200"]
    assert {row.who for row in rows} == {"client:ehr"}
    two, one = "Observation/obs-a/_history/2", "Observation/obs-a/_history/1"
    assert [row.resources for row in rows] == [(two,), (two,), (one,), (), (two,)]
    assert [row.persons for row in rows] == [
        ("patient-a",),
        ("patient-a",),
        ("patient-a",),
        (),
        ("patient-a",),
    ]
    assert rows[0].route == "/fhir/<fhir_type:type>/<fhir_id:id>"
    assert [row.action for row in rows] == ["read", "read", "read", "read", "query"]


def test_the_capability_statement_is_for_anyone_and_names_what_is_searched(harness: WebHarness) -> None:
    answer = harness.get(None, "/fhir/metadata")
    assert answer.status_code == 200
    statement = read_fhir_json(answer.data, max_bytes=100_000)
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["implementation"]["url"] == "http://localhost/fhir"
    served = {one["type"]: one for one in statement["rest"][0]["resource"]}
    assert {p["name"] for p in served["Observation"]["searchParam"]} >= {
        "patient", "code", "category", "date", "_lastUpdated", "_id",
    }  # fmt: skip
    assert {p["name"] for p in served["QuestionnaireResponse"]["searchParam"]} >= {
        "patient", "questionnaire", "authored", "_lastUpdated",
    }  # fmt: skip
    assert {p["name"] for p in served["Task"]["searchParam"]} >= {"patient", "identifier"}


def test_what_the_statement_promises_is_kept(harness: WebHarness) -> None:
    statement = harness.get(None, "/fhir/metadata").json
    assert statement is not None
    values = {"date": "2026", "token": "x", "reference": "x", "uri": "urn:x", "string": "x"}
    for one in statement["rest"][0]["resource"]:
        for parameter in one.get("searchParam", []):
            path = f"/fhir/{one['type']}?{parameter['name']}={values[parameter['type']]}"
            assert harness.get("ehr", path).status_code == 200, path
