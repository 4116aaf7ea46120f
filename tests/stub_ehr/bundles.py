"""Transactions (all or nothing) and batches (each entry on its own)."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from tests.stub_ehr.records import Records, Version
from tests.stub_ehr.refusals import Problem, outcome, outcome_of
from tests.stub_ehr.searching import find
from tests.stub_ehr.writes import WriteResult, check_targets, create, delete, update, update_where

Entry = dict[str, Any]
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3}


def process(records: Records, bundle: dict[str, Any], *, client_ids: bool = True) -> dict[str, Any]:
    """The response Bundle to a transaction or batch. Raises Problem when a transaction is refused."""
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
        raise Problem(400, "HAPI-0527: Unable to process transaction where incoming Bundle.type = null")
    entries = bundle.get("entry", [])
    if bundle["type"] == "transaction":
        answers = _transaction(records, entries, client_ids)
    else:
        answers = [_alone(records, entry, client_ids) for entry in entries]
    return {"resourceType": "Bundle", "type": bundle["type"] + "-response", "entry": answers}


def _transaction(records: Records, entries: list[Entry], client_ids: bool) -> list[Entry]:
    _each_once(entries)
    answers: list[Entry] = [{} for _ in entries]
    written: list[Version] = []
    with records.group():
        entries = _with_ids(records, entries)
        for n in sorted(range(len(entries)), key=lambda n: _ORDER.get(_method(entries[n]), 9)):
            answers[n] = _one(records, entries[n], client_ids, written)
        check_targets(records, written)
    return answers


def _alone(records: Records, entry: Entry, client_ids: bool) -> Entry:
    written: list[Version] = []
    try:
        with records.group():
            answer = _one(records, entry, client_ids, written)
            check_targets(records, written)
            return answer
    except Problem as problem:
        return {"response": {"status": _status(problem.status), "outcome": outcome_of(problem)}}


def _method(entry: Entry) -> str:
    return str(entry.get("request", {}).get("method"))


def _one(records: Records, entry: Entry, client_ids: bool, written: list[Version]) -> Entry:
    request = entry["request"]
    path, _, query = unquote(request["url"]).lstrip("/").partition("?")
    kind, _, id_ = path.partition("/")
    if request["method"] == "GET":
        resource = records.get(kind, id_)
        if resource is None:
            raise Problem(404, f"HAPI-2001: Resource {kind}/… is not known", code="not-found")
        return {
            "resource": resource,
            "response": {"status": "200 OK", "etag": f'W/"{resource["meta"]["versionId"]}"'},
        }
    if request["method"] == "DELETE":
        delete(records, kind, id_, request.get("ifMatch"))
        return {"response": {"status": "204 No Content"}}
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        raise Problem(400, "HAPI-0541: Missing required resource in Bundle.entry")
    if request["method"] == "POST":
        answer = create(records, kind, resource, request.get("ifNoneExist"), entry.get("_id"))
    elif id_:
        answer = update(records, kind, id_, resource, request.get("ifMatch"), client_ids=client_ids)
    else:
        answer = update_where(
            records, kind, query, resource, request.get("ifMatch"), takes_id=True, id_=entry.get("_id")
        )
    if answer.has_changed:
        written.append(answer.version)
    return {"response": _response(answer)}


def _response(answer: WriteResult) -> dict[str, Any]:
    version = answer.version
    return {
        "status": _status(answer.status),
        "location": f"{version.kind}/{version.id}/_history/{version.number}",
        "etag": str(version.number),
        "lastModified": version.updated,
        "outcome": outcome("information", "informational", "Successfully stored"),
    }


def _status(number: int) -> str:
    return f"{number} {HTTPStatus(number).phrase}"


def _each_once(entries: list[Entry]) -> None:
    urls = [
        entry["request"]["url"]
        for entry in entries
        if _method(entry) == "PUT" and "?" not in entry["request"]["url"]
    ]
    if len(urls) != len(set(urls)):
        raise Problem(400, "HAPI-0535: Transaction bundle contains multiple resources with the same id")


def _with_ids(records: Records, entries: list[Entry]) -> list[Entry]:
    """References by `urn:uuid:` become the ids that the entries get."""
    places: dict[str, str] = {}
    known: list[Entry] = []
    for entry in entries:
        full_url = entry.get("fullUrl", "")
        if not full_url.startswith("urn:") or _method(entry) not in ("POST", "PUT"):
            known.append(entry)
            continue
        path, _, query = unquote(entry["request"]["url"]).lstrip("/").partition("?")
        if "/" in path:
            places[full_url] = path
        else:
            asked = query or entry["request"].get("ifNoneExist", "_id=").rpartition("?")[2]
            matches = find(records, path, asked)
            own = entry["resource"].get("id") if query else None
            id_ = matches[0]["id"] if matches else own or records.unused_id()
            entry = {**entry, "_id": id_}
            places[full_url] = f"{path}/{id_}"
        known.append(entry)
    return [_repointed(entry, places) for entry in known] if places else known


def _repointed(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_repointed(member, places) for member in value]
    if isinstance(value, dict):
        return {name: _repointed(member, places) for name, member in value.items()}
    if isinstance(value, str) and re.match("urn:(uuid|oid):", value):
        return places.get(value, value)
    return value
