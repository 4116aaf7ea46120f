"""A practice refers and takes back over HTTP; what cannot be understood is kept, told by path, and never echoed."""

import json
from typing import Any

import pytest

from fhir_pmp.identifiers import Identifier
from fhir_pmp.store.access.clients import ClientKind
from tests.integration.web.sample_referral import referral_bundle
from tests.integration.web.web_harness import WebHarness, resource_ids

FHIR = {"Content-Type": "application/fhir+json"}


def _post(harness: WebHarness, body: Any, who: str | None = "practice", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return harness.call(who, "POST", "/fhir", data=data, headers=FHIR | headers)


def _locations(answer: Any) -> list[str]:
    return [entry["response"]["location"] for entry in answer.json["entry"]]


def _put(harness: WebHarness, task: dict[str, Any], who: str = "practice", **headers: str) -> Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return harness.call(who, "PUT", f"/fhir/Task/{task['id']}", data=json.dumps(task), headers=FHIR | headers)


def test_a_referral_is_answered_entry_by_entry_and_can_be_read(harness: WebHarness) -> None:
    answer = _post(harness, referral_bundle("a"))
    assert (answer.status_code, answer.content_type) == (200, "application/fhir+json")
    assert answer.json["type"] == "transaction-response"
    assert [entry["response"]["status"][:3] for entry in answer.json["entry"]] == ["201"] * 4
    locations = _locations(answer)
    assert [place.partition("/")[0] for place in locations] == [
        "Patient",
        "ServiceRequest",
        "Task",
        "Condition",
    ]
    for place in locations:
        assert harness.get("practice", f"/fhir/{place}").status_code == 200, place


@pytest.mark.promise("P6")
def test_the_same_referral_again_gives_the_same_task_and_other_content_is_a_conflict(
    harness: WebHarness,
) -> None:
    first = _locations(_post(harness, referral_bundle("a")))
    assert _locations(_post(harness, referral_bundle("a"))) == first
    other = _post(harness, referral_bundle("a", reason="Something else entirely"))
    assert other.status_code == 409
    assert other.json["issue"][0]["code"] == "business-rule"
    assert len(resource_ids(harness.get("practice", "/fhir/Task").json)) == 1


def test_two_practices_of_one_person_read_the_patient_and_neither_reads_what_the_other_wrote(
    harness: WebHarness,
) -> None:
    harness.client(ClientKind.PRACTICE, "rival")

    def refer(who: str, name: str) -> list[str]:
        bundle = referral_bundle(name)
        patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        patient["identifier"] = [{"system": "urn:medicare", "value": "m-1"}]
        patient["telecom"] = [{"system": "phone", "value": f"phone as {who} knows it"}]
        return _locations(_post(harness, bundle, who))

    first, second = refer("practice", "a"), refer("rival", "b")
    again = refer("practice", "c")
    assert len({one[0].partition("/_history")[0] for one in (first, second, again)}) == 1
    for who, own, others in (
        ("practice", [*first, *again], second[1:]),
        ("rival", second, [*first, *again[1:]]),
    ):
        for place in own:
            answer = harness.get(who, f"/fhir/{place}")
            assert answer.status_code == 200, (who, place)
        for place in others:
            assert harness.get(who, f"/fhir/{place}").status_code == 404, (who, place)
        current = harness.get(who, f"/fhir/{first[0].partition('/_history')[0]}")
        assert current.status_code == 200 and b"phone as" not in current.data
        (found,) = resource_ids(harness.get(who, "/fhir/Patient?identifier=urn:medicare|m-1").json)
        assert f"Patient/{found}/_history/1" == first[0]


def test_another_practices_referral_is_not_there(harness: WebHarness) -> None:
    harness.client(ClientKind.PRACTICE, "rival")
    for place in _locations(_post(harness, referral_bundle("a"))):
        path = "/fhir/" + place.partition("/_history")[0]
        gone = harness.get("rival", path)
        never = harness.get("rival", path + "0")
        assert (gone.status_code, gone.data) == (404, never.data), place
    for kind in ("Patient", "ServiceRequest", "Task"):
        assert resource_ids(harness.get("rival", f"/fhir/{kind}").json) == []
        assert resource_ids(harness.get("rival", f"/fhir/{kind}?identifier=m-a,r-a,t-a").json) == []
        assert len(resource_ids(harness.get("practice", f"/fhir/{kind}").json)) == 1


def test_only_practices_refer(harness: WebHarness) -> None:
    assert _post(harness, referral_bundle("a"), who="ehr").status_code == 403
    assert _post(harness, referral_bundle("a"), who="platform").status_code == 403
    assert _post(harness, referral_bundle("a"), who=None).status_code == 401
    with harness.store.read() as uow:
        assert uow.people.find_by_identifier(Identifier("urn:medicare", "m-a")) == []
    assert resource_ids(harness.get("ehr", "/fhir/Task").json) == []


def test_what_a_practice_sends_is_written_down_with_every_version(harness: WebHarness) -> None:
    before = len(harness.audit_rows())
    answer = _post(harness, referral_bundle("a"))
    (row,) = harness.audit_rows()[before:]
    assert (row.who, row.action, row.outcome) == ("client:practice", "create", "200")
    assert list(row.resources) == _locations(answer)
    assert len(row.persons) == 1


@pytest.fixture
def task(harness: WebHarness) -> dict[str, Any]:
    place = next(one for one in _locations(_post(harness, referral_bundle("a"))) if one.startswith("Task/"))
    found: Any = harness.get("practice", f"/fhir/{place.partition('/_history')[0]}").json
    return dict(found)


def test_a_practice_takes_a_referral_back(harness: WebHarness, task: dict[str, Any]) -> None:
    version = task["meta"]["versionId"]
    answer = _put(harness, task | {"status": "cancelled"}, If_Match=f'W/"{version}"')
    assert answer.status_code == 200
    assert answer.json["status"] == "cancelled"
    assert answer.headers["ETag"] == f'W/"{int(version) + 1}"'
    assert harness.get("practice", f"/fhir/Task/{task['id']}").json["status"] == "cancelled"  # type: ignore[index]
    again = _put(harness, task | {"status": "cancelled"}, If_Match=f'W/"{version}"')
    assert (again.status_code, again.data) == (200, answer.data)


def test_taking_back_names_the_version_it_was_decided_on(harness: WebHarness, task: dict[str, Any]) -> None:
    cancelled = task | {"status": "cancelled"}
    for given in (
        {},
        {"If_Match": "*"},
        {"If_Match": "1"},
        {"If_Match": 'W/"0"'},
        {"If_Match": 'W/"1", W/"2"'},
    ):
        answer = _put(harness, cancelled, **given)
        assert answer.status_code == 400, given
        assert answer.json["issue"][0]["expression"] == ["If-Match"]
    stale = _put(harness, cancelled, If_Match='W/"99"')
    assert stale.status_code == 412
    assert stale.json["issue"][0]["code"] == "conflict"


def test_nothing_but_the_status_may_be_changed_and_only_to_cancelled(
    harness: WebHarness, task: dict[str, Any]
) -> None:
    tag = f'W/"{task["meta"]["versionId"]}"'
    for change in (
        {"status": "completed"},
        {"status": "requested"},
        {"status": "cancelled", "priority": "urgent"},
        {"status": "cancelled", "for": {"reference": "Patient/somebody-else"}},
    ):
        answer = _put(harness, task | change, If_Match=tag)
        assert answer.status_code == 409, change
        assert answer.json["resourceType"] == "OperationOutcome"
    mismatch = harness.call(
        "practice", "PUT", f"/fhir/Task/{task['id']}", data=json.dumps(task | {"id": "another"}),
        headers=FHIR | {"If-Match": tag},
    )  # fmt: skip
    assert mismatch.status_code == 400
    assert harness.get("practice", f"/fhir/Task/{task['id']}").json["status"] == task["status"]  # type: ignore[index]


def test_another_practices_task_cannot_be_taken_back(harness: WebHarness, task: dict[str, Any]) -> None:
    harness.client(ClientKind.PRACTICE, "rival")
    tag = f'W/"{task["meta"]["versionId"]}"'
    theirs = _put(harness, task | {"status": "cancelled"}, who="rival", If_Match=tag)
    unknown = _put(harness, task | {"status": "cancelled", "id": "task-never"}, who="rival", If_Match=tag)
    assert (theirs.status_code, theirs.data) == (404, unknown.data)
    assert _put(harness, task | {"status": "cancelled"}, who="ehr", If_Match=tag).status_code == 403


CANARY = "Zebulon Canary"


def _hostile() -> dict[str, bytes]:
    good = json.dumps(referral_bundle("a", family=CANARY)).encode()
    deep = b'{"resourceType":"Bundle","type":"transaction","entry":' + b"[" * 5000 + b"]" * 5000 + b"}"
    return {
        "not JSON": good[:-1],
        "empty": b"",
        "a list": b"[" + good + b"]",
        "a string": json.dumps(CANARY).encode(),
        "deep": deep,
        "deep and cut off": deep[:4000],
        "a duplicate key": good.replace(b'"gender": "female"', b'"gender": "female", "gender": "male"'),
        "NaN": good.replace(b'"1970-01-02"', b"NaN"),
        "Infinity": good.replace(b'"1970-01-02"', b"-Infinity"),
        "NUL": good.replace(b"Zebulon", b"Zebu\\u0000lon"),
        "a raw NUL": good.replace(b"Zebulon", b"Zebu\x00lon"),
        "half a character": good.replace(b"Zebulon", b"\\ud800"),
        "not UTF-8": good.replace(b"Zebulon", b"\xff\xfe"),
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "a huge integer": good.replace(b'"1970-01-02"', b"9" * 4000),
        "a null": good.replace(b'"female"', b"null"),
        "another resource": b'{"resourceType":"Patient","name":[{"family":"Canary"}]}',
        "another type of Bundle": good.replace(b'"transaction"', b'"document"'),
        "an unknown member": good.replace(b'"gender"', b'"canaryGender"'),
        "a wrong type": good.replace(b'"birthDate": "1970-01-02"', b'"birthDate": 1970'),
        "two patients": good.replace(b'"Condition"', b'"Patient"'),
    }


@pytest.mark.promise("P10")
def test_hostile_bodies_are_refused_with_an_outcome_that_repeats_nothing(harness: WebHarness) -> None:
    for name, body in _hostile().items():
        answer = _post(harness, body)
        assert (answer.status_code, answer.content_type) == (400, "application/fhir+json"), (
            name,
            answer.data,
        )
        assert answer.json["resourceType"] == "OperationOutcome", name
        assert answer.json["issue"], name
        for secret in (b"canary", b"zebulon", b"m-a", b"Traceback"):
            assert secret not in answer.data.lower().replace(b"canarygender", b""), name
    with harness.store.read() as uow:
        assert uow.people.find_by_identifier(Identifier("urn:medicare", "m-a")) == []
    assert resource_ids(harness.get("practice", "/fhir/Patient").json) == []


def test_a_body_over_the_cap_or_of_another_type_is_not_looked_at(harness: WebHarness) -> None:
    huge = _post(harness, b'{"resourceType":"Bundle","x":"' + b"x" * (5 * 1024 * 1024) + b'"}')
    assert (huge.status_code, huge.json["issue"][0]["code"]) == (413, "too-long")
    for kind in ("application/fhir+xml", "text/plain", "application/x-www-form-urlencoded",
                 "application/fhir+json; charset=utf-16", ""):  # fmt: skip
        answer = harness.call("practice", "POST", "/fhir", data=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json["issue"][0]["code"]) == (415, "not-supported"), kind  # type: ignore[index]
    packed = _post(harness, b"{}", **{"Content-Encoding": "gzip"})
    assert packed.status_code == 415
