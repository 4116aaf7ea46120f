"""One request becomes one answer: which interaction of FHIR's REST it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.stub_ehr.bundles import process
from tests.stub_ehr.capability import KINDS, capability_statement
from tests.stub_ehr.json_text import from_json
from tests.stub_ehr.pages import DEFAULT_COUNT, Pages
from tests.stub_ehr.records import Records, Version
from tests.stub_ehr.refusals import Problem, outcome
from tests.stub_ehr.searching import matching
from tests.stub_ehr.writes import WriteResult, check_targets, create, delete, update, update_where


@dataclass(frozen=True, slots=True)
class StubRequest:
    """A request: path below the base, query string, headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str


@dataclass(slots=True)
class StubResponse:
    """A response; `body` None means no content."""

    status: int
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class StubEhr:
    """The server's behaviour over its records, without HTTP's wire."""

    records: Records
    pages: Pages
    client_ids: bool = True
    kinds: tuple[str, ...] = KINDS
    ignores: frozenset[str] = frozenset()  # preconditions that are not looked at: if-match, if-none-exist
    deletes: bool = True
    updates: bool = True

    def answer(self, asked: StubRequest) -> StubResponse:
        """Answers one request; what it writes bears the moment of `X-Stub-Last-Updated`. Raises Problem."""
        asked = replace(asked, headers={n: v for n, v in asked.headers.items() if n not in self.ignores})
        moment = asked.headers.get("x-stub-last-updated")
        if moment is None:
            return self._answer(asked)
        with self.records.updated_at(moment):
            return self._answer(asked)

    def _answer(self, asked: StubRequest) -> StubResponse:
        parts = [unquote(part) for part in asked.path.strip("/").split("/") if part]
        if not parts:
            return self._root(asked)
        if parts == ["metadata"] and asked.method == "GET":
            return StubResponse(
                200, capability_statement(asked.base, client_ids=self.client_ids, kinds=self.kinds)
            )
        if parts == ["_history"]:
            return self._history_of_all(asked, None)
        if parts[0] not in self.kinds:
            raise Problem(404, "HAPI-0302: Unknown resource type", code="not-found")
        if len(parts) == 1 or parts[1:] == ["_search"] or parts[1:] == ["_history"]:
            return self._of_type(asked, parts[0], parts[1:])
        return self._of_one(asked, parts[0], parts[1], parts[2:])

    def _root(self, asked: StubRequest) -> StubResponse:
        if asked.method == "POST":
            bundle = _without(_json(asked.body), self.ignores)
            return StubResponse(200, process(self.records, bundle, client_ids=self.client_ids))
        query = dict(parse_qsl(asked.query))
        if asked.method == "GET" and "_getpages" in query:
            count = int(query.get("_count", DEFAULT_COUNT))
            kind = query.get("_bundletype", "searchset")
            offset = int(query.get("_getpagesoffset", 0))
            return StubResponse(200, self.pages.page(asked.base, query["_getpages"], offset, count, kind))
        raise Problem(400, "HAPI-0446: Invalid request")

    def _of_type(self, asked: StubRequest, kind: str, rest: list[str]) -> StubResponse:
        if rest == ["_history"]:
            return self._history_of_all(asked, kind)
        if asked.method == "GET" and not rest:
            return self._search(asked, kind, asked.query)
        if asked.method == "POST" and rest:
            return self._search(asked, kind, "&".join(filter(None, (asked.query, asked.body.decode()))))
        with self.records.group():
            if asked.method == "POST":
                written = create(self.records, kind, _json(asked.body), asked.headers.get("if-none-exist"))
            elif asked.method == "PUT" and asked.query and self.updates:
                written = update_where(
                    self.records,
                    kind,
                    asked.query,
                    _json(asked.body),
                    asked.headers.get("if-match"),
                )
            else:
                raise Problem(405, "HAPI-0445: Method not allowed", code="not-supported")
            return self._written(asked, written)

    def _of_one(self, asked: StubRequest, kind: str, id_: str, rest: list[str]) -> StubResponse:
        if asked.method == "GET" and not rest:
            return self._read(asked, kind, id_)
        if asked.method == "GET" and rest == ["_history"]:
            return StubResponse(200, _history_bundle(asked.base, self.records.history(kind, id_)))
        if asked.method == "GET" and len(rest) == 2 and rest[0] == "_history":
            return self._vread(kind, id_, rest[1])
        if asked.method == "PUT" and not rest and self.updates:
            with self.records.group():
                written = update(
                    self.records,
                    kind,
                    id_,
                    _json(asked.body),
                    asked.headers.get("if-match"),
                    client_ids=self.client_ids,
                )
                return self._written(asked, written)
        if asked.method == "DELETE" and not rest and self.deletes:
            version = delete(self.records, kind, id_, asked.headers.get("if-match"))
            headers = {"ETag": f'W/"{version.number}"'} if version else {}
            return StubResponse(200, outcome("information", "informational", "Successfully deleted"), headers)
        raise Problem(405, "HAPI-0445: Method not allowed", code="not-supported")

    def _written(self, asked: StubRequest, written: WriteResult) -> StubResponse:
        version = written.version
        if written.has_changed:
            check_targets(self.records, [version])
        place = f"{asked.base}/{version.kind}/{version.id}/_history/{version.number}"
        headers = {
            "ETag": f'W/"{version.number}"',
            "Last-Modified": version.updated,
            "Content-Location": place,
        }
        # HAPI names the place of what it created by POST, and not of what a client put under its own id.
        if asked.method == "POST":
            headers["Location"] = place
        return StubResponse(written.status, version.resource, headers)

    def _read(self, asked: StubRequest, kind: str, id_: str) -> StubResponse:
        newest = self.records.newest(kind, id_)
        if newest is None:
            raise Problem(404, f"HAPI-2001: Resource {kind}/… is not known", code="not-found")
        etag = f'W/"{newest.number}"'
        if newest.resource is None:
            headers = {"Location": f"{asked.base}/{kind}/{id_}/_history/{newest.number}"}
            raise Problem(410, "HAPI-0378: Resource was deleted", code="deleted", headers=headers)
        if asked.headers.get("if-none-match") == etag:
            return StubResponse(304, None, {"ETag": etag})
        return StubResponse(200, newest.resource, {"ETag": etag})

    def _vread(self, kind: str, id_: str, number: str) -> StubResponse:
        for version in self.records.history(kind, id_):
            if str(version.number) == number and version.resource is not None:
                return StubResponse(200, version.resource, {"ETag": f'W/"{number}"'})
        raise Problem(404, "HAPI-2001: This version is not known", code="not-found")

    def _search(self, asked: StubRequest, kind: str, query: str) -> StubResponse:
        search = f"{kind}?{query}"
        fresh = "no-cache" in asked.headers.get("cache-control", "")
        token = None if fresh else self.pages.recent(search)
        pairs = parse_qsl(query, keep_blank_values=True)
        if token is None:
            found = matching(self.records, kind, pairs)
            entries = [
                {"fullUrl": f"{asked.base}/{kind}/{r['id']}", "resource": r, "search": {"mode": "match"}}
                for r in found
            ]
            token = self.pages.keep(search, entries)
        count = int(dict(pairs).get("_count", DEFAULT_COUNT))
        page = self.pages.page(asked.base, token, 0, count)
        if dict(pairs).get("_summary") == "count" or count == 0:
            page.pop("entry")
        return StubResponse(200, page)

    def _history_of_all(self, asked: StubRequest, kind: str | None) -> StubResponse:
        query = dict(parse_qsl(asked.query))
        since = query.get("_since", "").replace(" ", "+")
        with self.records.lock:
            found = [v for v in self.records.all_versions() if kind in (None, v.kind) and v.updated >= since]
        found.sort(key=lambda version: version.updated, reverse=True)
        token = self.pages.keep(f"_history {kind} {since}", [_history_entry(asked.base, v) for v in found])
        return StubResponse(
            200, self.pages.page(asked.base, token, 0, int(query.get("_count", DEFAULT_COUNT)), "history")
        )


def _without(bundle: dict[str, Any], ignores: frozenset[str]) -> dict[str, Any]:
    """The Bundle without the preconditions that are not looked at."""
    names = {"if-match": "ifMatch", "if-none-exist": "ifNoneExist"}
    for entry in bundle.get("entry", []) if ignores else []:
        for name in ignores:
            entry.get("request", {}).pop(names.get(name), None)
    return bundle


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except (ValueError, RecursionError):
        raise Problem(
            400, "HAPI-0450: Failed to parse request body as JSON resource", code="structure"
        ) from None
    if not isinstance(value, dict):
        raise Problem(400, "HAPI-1861: Failed to parse JSON encoded FHIR content", code="structure")
    return value


def _history_bundle(base: str, versions: list[Version]) -> dict[str, Any]:
    entries = [_history_entry(base, version) for version in versions]
    return {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}


def _history_entry(base: str, version: Version) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": f"{base}/{version.kind}/{version.id}"}
    if version.resource is not None:
        entry["resource"] = version.resource
    method = "DELETE" if version.resource is None else "POST" if version.number == 1 else "PUT"
    entry["request"] = {"method": method, "url": f"{version.kind}/{version.id}/_history/{version.number}"}
    entry["response"] = {"status": "200 OK", "etag": f'W/"{version.number}"', "lastModified": version.updated}
    return entry
