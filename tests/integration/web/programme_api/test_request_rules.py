"""Who comes in, what a body may be, how a refusal is told, and what the audit says of it."""

import json
from typing import Any

import pytest

from fhir_pmp.identifiers import ClientId
from fhir_pmp.store.errors import StoreBusy
from fhir_pmp.web.programme_api.openapi_description import description_text
from tests.integration.web.programme_api.platform_client import (
    Platform,
    enrolment,
    faults,
    members,
    person,
    phq9,
)
from tests.integration.web.web_harness import WebHarness

PATH = "/programme/enrolments/e1"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("ehr", 403), ("practice", 403)])
def test_only_a_platform_comes_in_and_that_is_settled_before_the_body_is_read(
    harness: WebHarness, who: str | None, status: int
) -> None:
    for method, path in (
        ("PUT", PATH),
        ("GET", PATH),
        ("PUT", "/programme/responses/r1"),
        ("POST", "/programme/responses"),
        ("PUT", "/programme/responses/r1/withdrawal"),
        ("GET", "/programme/people/patient-" + "0" * 32 + "/outcomes"),
    ):
        answer = harness.call(who, method, path, data=b"{" * 100, headers=JSON)
        assert (answer.status_code, faults(answer)) == (status, [""])


def test_a_disabled_platform_is_nobody(harness: WebHarness) -> None:
    with harness.store.begin() as uow:
        uow.clients.set_disabled(ClientId("platform"), True)
    assert harness.get("platform", PATH).status_code == 401


def test_a_platform_has_no_way_into_the_fhir_api(harness: WebHarness) -> None:
    assert harness.get("platform", "/fhir/Patient/p1").status_code == 403


BODIES: dict[str, tuple[bytes, int, list[str]]] = {
    "nothing": (b"", 400, ["body"]),
    "half": (b'{"person": ', 400, ["body"]),
    "an array": (b"[]", 400, ["body"]),
    "a member twice": (b'{"amends": true, "amends": false}', 400, ["body"]),
    "not UTF-8": (b'{"person": "\xe4"}', 400, ["body"]),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, ["body"]),
    "a NUL": (b'{"referral_number": "\\u0000"}', 400, ["referral_number"]),
    "half a character": (b'{"referral_number": "\\ud800"}', 400, ["referral_number"]),
    "a number that is none": (b'{"amends": NaN}', 400, ["amends"]),
    "too deep": (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", 400, ["body"]),
    "too large": (b'{"a": "' + b"x" * 1_000_000 + b'"}', 413, [""]),
}


@pytest.mark.parametrize(("body", "status", "fields"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_not_plainly_json_is_refused(
    harness: WebHarness, body: bytes, status: int, fields: list[str]
) -> None:
    answer = harness.call("platform", "PUT", PATH, data=body, headers=JSON)
    assert (answer.status_code, faults(answer)) == (status, fields)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json; charset=latin-1", ""])
def test_a_body_of_another_type_is_415(harness: WebHarness, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = harness.call("platform", "PUT", PATH, data=b"{}", headers=headers)
    assert (answer.status_code, faults(answer)) == (415, [""])


def _with(**changes: Any) -> dict[str, Any]:
    return enrolment(**changes)


def _person(**changes: Any) -> dict[str, Any]:
    return enrolment(person=person(**changes))


DESCRIBED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing of it": ({}, ["person"]),
    "a member we do not know": (_with(consent=True), ["consent"]),
    "a member that may be somebody's name": (_with(**{"Ann Smith": 1}), ["?"]),
    "a text for yes": (_with(share_with_ehr="true"), ["share_with_ehr"]),
    "1 for yes": (_with(share_with_ehr=1), ["share_with_ehr"]),
    "null": (_with(started_on=None), ["started_on"]),
    "a date as people write it": (_with(started_on="05/01/2026"), ["started_on"]),
    "a day that is none": (_with(started_on="2026-02-30"), ["started_on"]),
    "a moment for a day": (_with(started_on="2026-01-05T10:00:00Z"), ["started_on"]),
    "a number for a day": (_with(started_on=20260105), ["started_on"]),
    "no name": (_person(family=""), ["person.family"]),
    "a name of blanks": (_person(family=" "), ["person.family"]),
    "a name with a line end": (_person(family="Exam\nple"), ["person.family"]),
    "a name beyond all names": (_person(family="x" * 201), ["person.family"]),
    "a word for sex": (_person(sex="f"), ["person.sex"]),
    "an identifier without a system": (
        _person(identifiers=[{"value": "1"}]),
        ["person.identifiers[0].system"],
    ),
    "a system that is no address": (
        _person(identifiers=[{"system": "medicare", "value": "1"}]),
        ["person.identifiers[0].system"],
    ),
    "several at once": (
        {"person": person(sex="f", birth_date="x"), "amends": "no"},
        ["amends", "person.birth_date", "person.sex"],
    ),
}


@pytest.mark.parametrize(("body", "fields"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_body_that_is_not_as_described_is_refused_field_by_field_and_nothing_of_it_is_repeated(
    platform: Platform, harness: WebHarness, body: dict[str, Any], fields: list[str]
) -> None:
    answer = platform.put("/enrolments/e1", body)
    assert (answer.status_code, sorted(faults(answer))) == (400, fields)
    for word in ("Smith", "Example", "05/01", "20260105", "medicare"):
        assert word not in answer.text
    with harness.store.read() as uow:
        assert uow.episodes.list_all() == []


ANSWERS: dict[str, tuple[Any, list[str]]] = {
    "a text": ({"phq9-1": "1"}, ["answers.phq9-1"]),
    "yes": ({"phq9-1": True}, ["answers.phq9-1"]),
    "a decimal that is whole": ({"phq9-1": 1.0}, ["answers.phq9-1"]),
    "null for a blank": ({"phq9-1": None}, ["answers.phq9-1"]),
    "a list": ([1, 2], ["answers"]),
}


@pytest.mark.parametrize(("answers", "fields"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_a_json_integer(platform: Platform, answers: Any, fields: list[str]) -> None:
    platform.enrol()
    answer = platform.put("/responses/r1", phq9(answers=answers))
    assert (answer.status_code, faults(answer)) == (400, fields)


def test_a_moment_is_a_day_or_has_seconds_and_offset(platform: Platform) -> None:
    platform.enrol()
    for moment in ("2026-01-05T10:11", "2026-01-05T10:11:12", "2026-01", "2026-01-05 10:11:12Z", "now"):
        answer = platform.put("/responses/r1", phq9(answered_at=moment))
        assert (answer.status_code, faults(answer)) == (400, ["answered_at"])
    for number, moment in enumerate(("2026-01-05", "2026-01-06T10:11:12.5+11:00", "2026-01-07T00:00:00Z")):
        body = phq9(answered_at=moment, enrolment=f"e{number + 2}")
        platform.put(f"/enrolments/e{number + 2}", {**enrolment(), "person": person(identifiers=[])})
        assert platform.put(f"/responses/m{number}", body).status_code == 201


def test_a_list_has_at_least_one_and_no_more_than_a_transaction_holds(platform: Platform) -> None:
    for each in ([], [phq9(response=f"r{n}") for n in range(201)]):
        answer = platform.post("/responses", {"responses": each})
        assert (answer.status_code, faults(answer)) == (400, ["responses"])


def test_an_id_that_cannot_stand_in_a_path_is_no_address(platform: Platform) -> None:
    for name in ("a%20b", "a%2Fb", ".", "x" * 65, "%00"):
        assert platform.put(f"/enrolments/{name}", enrolment()).status_code in (404, 405)
    answer = platform.post("/responses", {"responses": [phq9(response="a b")]})
    assert faults(answer) == ["responses[0].response"]


def test_a_method_that_an_address_does_not_take_is_405_and_says_which_it_does(harness: WebHarness) -> None:
    answer = harness.call("platform", "DELETE", PATH)
    assert (answer.status_code, faults(answer)) == (405, [""])
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "PUT"}
    assert harness.call("platform", "OPTIONS", "/programme/responses").status_code == 405


def test_a_parameter_is_refused_and_not_passed_over(harness: WebHarness) -> None:
    answer = harness.get("platform", PATH + "?verbose=1")
    assert (answer.status_code, faults(answer)) == (400, ["query"])


@pytest.mark.promise("P8")
def test_every_request_is_audited_with_whom_it_was_about(platform: Platform, harness: WebHarness) -> None:
    who = platform.enrol()
    platform.put("/responses/r1", phq9())
    platform.post("/responses", {"responses": [phq9(response="r2"), phq9(response="r3", enrolment="e9")]})
    platform.get(f"/people/{who}/outcomes")
    platform.get("/enrolments/e9")
    rows = [(row.who, row.route, row.action, row.outcome, row.persons) for row in harness.audit_rows()]
    caller = "client:platform"
    assert rows == [
        (caller, "/programme/enrolments/<own_id:enrolment>", "update", "201", (who,)),
        (caller, "/programme/responses/<own_id:response>", "update", "201", (who,)),
        (caller, "/programme/responses", "create", "200", (who,)),
        (caller, "/programme/people/<our_id:person>/outcomes", "read", "200", (who,)),
        (caller, "/programme/enrolments/<own_id:enrolment>", "read", "404", ()),
    ]


@pytest.mark.promise("P10")
def test_no_answer_repeats_a_name_or_an_answer_that_was_sent(platform: Platform) -> None:
    body = enrolment(person=person(given="Canary", family="Zaunkoenig"))
    answers = [
        platform.put("/enrolments/e1", body),
        platform.put("/enrolments/e1", {**body, "share_with_ehr": False}),
        platform.put("/enrolments/e1", {**body, "person": {**body["person"], "sex": "Zaunkoenig"}}),
        platform.put("/responses/r1", phq9(enrolment="Zaunkoenig")),
        platform.get("/enrolments/e1"),
    ]
    for answer in answers:
        assert "Canary" not in answer.text and "Zaunkoenig" not in answer.text


def test_the_description_is_served_to_anyone_and_is_the_one_in_the_documentation(harness: WebHarness) -> None:
    answer = harness.get(None, "/programme/openapi.json")
    assert (answer.status_code, answer.text) == (200, description_text())
    described = json.loads(answer.text)
    assert described["openapi"] == "3.1.0"
    rules = {
        str(rule.rule).replace("own_id:", "").replace("our_id:", "").replace("lesson:", "")
        for rule in harness.app.url_map.iter_rules()
        if str(rule.rule).startswith("/programme")
    }
    assert set(described["paths"]) == {rule.replace("<", "{").replace(">", "}") for rule in rules}
    assert not [name for name, _ in members(described) if name == "example"]


def test_a_sick_database_is_503_and_says_when_to_come_again(
    platform: Platform, harness: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise StoreBusy(after_seconds=3)

    monkeypatch.setattr(harness.store, "begin", busy)
    answer = platform.put("/enrolments/e1", enrolment())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert faults(answer) == [""]
