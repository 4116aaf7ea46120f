"""Search: the parameters that a neighbour of ours asks for; any other is refused, as in HAPI."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from tests.stub_ehr.records import Records
from tests.stub_ehr.refusals import Problem

Resource = dict[str, Any]
Test = Callable[[Resource, str], bool]
Query = list[tuple[str, str]]
CONTROLS = frozenset({"_sort", "_count", "_format", "_total", "_summary", "_pretty", "_elements"})


def _at(resource: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path, through lists."""
    name, _, rest = path.partition(".")
    values = resource if isinstance(resource, list) else [resource]
    for value in values:
        if isinstance(value, dict) and name in value:
            member = value[name]
            if rest:
                yield from _at(member, rest)
            else:
                yield from member if isinstance(member, list) else [member]


def _token(path: str) -> Test:
    def test(resource: Resource, wanted: str) -> bool:
        return any(_is_token(value, part) for part in wanted.split(",") for value in _at(resource, path))

    return test


def _is_token(value: Any, wanted: str) -> bool:
    system, bar, code = wanted.rpartition("|")
    if isinstance(value, str):
        return value == code
    if isinstance(value, bool):
        return str(value).lower() == code
    if "coding" in value:
        return any(_is_token(coding, wanted) for coding in value["coding"])
    found = value.get("value", value.get("code"))
    return (not code or found == code) and (not bar or value.get("system", "") == system)


def _reference(path: str, *kinds: str) -> Test:
    def test(resource: Resource, wanted: str) -> bool:
        found = {value.get("reference") for value in _at(resource, path)}
        names = [
            n for w in wanted.split(",") for n in ([w] if "/" in w else [f"{kind}/{w}" for kind in kinds])
        ]
        return any(name in found for name in names)

    return test


def _string(path: str) -> Test:
    return lambda resource, wanted: any(
        v.casefold().startswith(wanted.casefold()) for v in _at(resource, path)
    )


def _exact(path: str) -> Test:
    return lambda resource, wanted: any(v == wanted.partition("|")[0] for v in _at(resource, path))


def _when(*paths: str) -> Test:
    def test(resource: Resource, wanted: str) -> bool:
        match = re.fullmatch(r"(eq|ge|gt|le|lt)?(\d{4}.*)", wanted)
        if not match:
            raise Problem(400, "HAPI-1882: Invalid date/time format")
        low, high = _span(match[2].replace(" ", "+"))
        for path in paths:
            for text in _at(resource, path):
                first, last = _span(text)
                if _compares(match[1] or "eq", first, last, low, high):
                    return True
        return False

    return test


def _compares(prefix: str, first: datetime, last: datetime, low: datetime, high: datetime) -> bool:
    if prefix == "eq":
        return low <= first and last <= high
    if prefix == "ge":
        return last > low
    if prefix == "gt":
        return last > high
    if prefix == "le":
        return first < high
    return first < low


def _span(text: str) -> tuple[datetime, datetime]:
    """The first moment of a FHIR date or time and the first moment after it."""
    if "T" in text:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment, moment + (timedelta(milliseconds=1) if "." in text else timedelta(seconds=1))
    parts = [int(part) for part in text.split("-")]
    first = date(*(parts + [1, 1])[:3])
    days = {3: timedelta(days=1), 2: timedelta(days=31), 1: timedelta(days=366)}[len(parts)]
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return begin, begin + days


_PATIENT = ("Patient",)
_ANYONE = {"_id": _token("id"), "_lastUpdated": _when("meta.lastUpdated"), "identifier": _token("identifier")}
_DEFINITION = {"url": _exact("url"), "version": _token("version"), "status": _token("status")}
_ABOUT = {"subject": _reference("subject", *_PATIENT), "patient": _reference("subject", *_PATIENT)}
PARAMETERS: dict[str, dict[str, Test]] = {
    "Patient": {
        "birthdate": _when("birthDate"), "family": _string("name.family"), "given": _string("name.given"),
        "active": _token("active"), "gender": _token("gender"),
    },
    "Observation": {
        **_ABOUT, "code": _token("code"), "category": _token("category"), "status": _token("status"),
        "date": _when("effectiveDateTime"), "derived-from": _reference("derivedFrom", "QuestionnaireResponse"),
    },
    "QuestionnaireResponse": {
        **_ABOUT, "questionnaire": _exact("questionnaire"), "authored": _when("authored"), "status": _token("status"),
    },
    "EpisodeOfCare": {"patient": _reference("patient", *_PATIENT), "status": _token("status")},
    "ServiceRequest": {**_ABOUT, "status": _token("status"), "authored": _when("authoredOn")},
    "Task": {
        "patient": _reference("for", *_PATIENT), "subject": _reference("for", *_PATIENT), "status": _token("status"),
        "focus": _reference("focus", "ServiceRequest"),
    },
    "Flag": {**_ABOUT, "status": _token("status")},
    "DocumentReference": {**_ABOUT, "status": _token("status"), "type": _token("type"), "date": _when("date")},
    "Condition": {**_ABOUT, "code": _token("code")},
    "Organization": {"name": _string("name")},
    "Practitioner": {"family": _string("name.family")},
    "PractitionerRole": {
        "practitioner": _reference("practitioner", "Practitioner"),
        "organization": _reference("organization", "Organization"),
    },
    "Questionnaire": _DEFINITION,
    "CodeSystem": _DEFINITION,
    "ValueSet": _DEFINITION,
    "Bundle": {"type": _token("type")},
}  # fmt: skip


def find(records: Records, kind: str, query: str) -> list[Resource]:
    """The resources of a type that match a query string, in order of creation."""
    return matching(records, kind, parse_qsl(query, keep_blank_values=True))


def matching(records: Records, kind: str, query: Query) -> list[Resource]:
    """The resources of a type that match every parameter, sorted as `_sort` says."""
    tests = [(_test(kind, name), value) for name, value in query if name not in CONTROLS]
    with records.lock:
        found = [
            resource
            for resource in records.of_type(kind)
            if records.is_indexed(kind, resource["id"])
            and all(test(resource, value) for test, value in tests)
        ]
    for name in reversed(dict(query).get("_sort", "").split(",")):
        if name.lstrip("-") == "_lastUpdated":
            found.sort(
                key=lambda resource: str(resource["meta"]["lastUpdated"]), reverse=name.startswith("-")
            )
        elif name.lstrip("-") == "_id":
            found.sort(key=lambda resource: str(resource["id"]), reverse=name.startswith("-"))
    return found


def _test(kind: str, name: str) -> Test:
    known = {**_ANYONE, **PARAMETERS.get(kind, {})}
    if name not in known:
        raise Problem(
            400, f'HAPI-0524: Unknown search parameter "{name.partition(":")[0]}" for resource type {kind}'
        )
    return known[name]
