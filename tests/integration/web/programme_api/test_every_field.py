"""Every field of every body, given each kind of value it does not take, is refused by its name: nothing is converted."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from fhir_pmp.web.programme_api import routes
from fhir_pmp.web.programme_api.openapi_description import description_text
from tests.integration.web.programme_api.platform_client import (
    STARTED,
    Platform,
    enrolment,
    faults,
    person,
    phq9,
)

assert routes.VIEW_MODULES  # with them the description knows every address
DESCRIBED: dict[str, Any] = json.loads(description_text())
IDENTIFIER = {"system": "urn:practices", "value": "p1"}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "PUT /enrolments/{enrolment}": (
        "/enrolments/e1",
        enrolment(
            amends=True,
            enrolled_on=STARTED,
            practice={
                "identifier": IDENTIFIER,
                "name": "Practice",
                "practitioner": {"identifier": IDENTIFIER, "name": "Dr Gee"},
            },
        ),
    ),
    "PUT /enrolments/{enrolment}/lessons/{lesson}": (
        "/enrolments/e1/lessons/1",
        {"completed_on": STARTED, "amends": True},
    ),
    "PUT /enrolments/{enrolment}/ending": (
        "/enrolments/e1/ending",
        {"how": "stopped", "on": STARTED, "reason": "no time", "amends": True},
    ),
    "PUT /responses/{response}": ("/responses/r1", phq9(amends=True)),
    "POST /responses": ("/responses", {"responses": [phq9(response="r1", amends=True)]}),
    "PUT /responses/{response}/withdrawal": ("/responses/r1/withdrawal", {"reason": "entered in error"}),
}
"""A whole body for each address that takes one: with it, the address answers 200 or 201."""

WRONG = [
    *(None, True, 1, 1.0, 1.5, -1, 10**30),
    *("", " ", "x " * 200, "1", "true", "2026-02-30", "2026-01-05T10:00:00", "a\nb"),
    *([], ["x"], {}, {"x": 1}),
]
"""Values of every kind; of these, a field is given those that its description does not allow."""


def test_every_address_that_takes_a_body_is_tried() -> None:
    described = {
        f"{method.upper()} {path.removeprefix('/programme')}"
        for path, methods in DESCRIBED["paths"].items()
        for method, operation in methods.items()
        if method != "parameters" and "requestBody" in operation
    }
    assert described == set(BODIES)


@pytest.mark.parametrize("name", BODIES)
def test_each_field_takes_what_is_described_and_nothing_else(platform: Platform, name: str) -> None:
    platform.harness.enrol("nobody")
    platform.put("/enrolments/e1", enrolment())
    platform.put("/responses/r1", phq9())
    path, whole = BODIES[name]
    send = platform.post if name.startswith("POST") else platform.put
    tried = 0
    for where, body in _forbidden(name, whole):
        answer = send(path, body)
        assert answer.status_code == 400, (where, answer.text)
        assert any(field.startswith(where) or field == "?" for field in faults(answer)), (where, answer.text)
        tried += 1
    assert tried > 10
    assert send(path, whole).status_code in (200, 201)


def _forbidden(name: str, whole: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Bodies with one thing wrong, and the field that it is wrong in."""
    method, _, path = name.partition(" ")
    operation = DESCRIBED["paths"][f"/programme{path}"][method.lower()]
    schema = _whole(operation["requestBody"]["content"]["application/json"]["schema"])
    for place, inner in _places(whole, schema, ()):
        valid = jsonschema_rs.validator_for(inner, validate_formats=True)
        for wrong in WRONG:
            # A whole decimal is an integer to JSON Schema, and none to us: 2.0 is not what somebody clicked.
            if not valid.is_valid(wrong) or (wrong == 1 and isinstance(wrong, float)):
                yield _named(place), _put(whole, place, wrong)
        if inner.get("additionalProperties") is False:
            yield _named((*place, "unknown")), _put(whole, (*place, "unknown"), 1)
        for required in inner.get("required", ()):
            yield _named((*place, required)), _without(whole, (*place, required))


def _places(
    value: Any, schema: dict[str, Any], at: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Every place of the body with what is described of it; the body itself apart, which is an object to the reader."""
    if at:
        yield at, schema
    if isinstance(value, dict):
        for name, inner in value.items():
            described = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            yield from _places(inner, described, (*at, name))
    elif isinstance(value, list):
        yield from _places(value[0], schema["items"], (*at, 0))


def _whole(schema: Any) -> Any:
    """The schema with every reference put in its place."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _whole(DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return {name: _whole(inner) for name, inner in schema.items()}
    return [_whole(inner) for inner in schema] if isinstance(schema, list) else schema


def _put(whole: Any, place: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(whole)
    _holder(body, place)[place[-1]] = value
    return body


def _without(whole: Any, place: tuple[Any, ...]) -> Any:
    body = copy.deepcopy(whole)
    del _holder(body, place)[place[-1]]
    return body


def _holder(body: Any, place: tuple[Any, ...]) -> Any:
    for step in place[:-1]:
        body = body[step]
    return body


def _named(place: tuple[Any, ...]) -> str:
    """A place as a fault names it."""
    name = ""
    for step in place:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return name


def test_a_person_needs_no_more_than_name_and_birth_date(platform: Platform) -> None:
    bare = {name: person()[name] for name in ("given", "family", "birth_date")}
    assert platform.put("/enrolments/e1", {"person": bare}).status_code == 201
