"""Holds what probes share: the client, the resource type, and every resource they created.

Everything created is removed at the end.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fhir_pmp.ehr.exchange.rendering import identifier_query
from fhir_pmp.ehr.exchange.search_pages import last_updated_at, server_date_of
from fhir_pmp.ehr.exchange.writes import LARGEST_ANSWER, read_etag, reference_in_location
from fhir_pmp.ehr.transport.client import Answer, EhrClient
from fhir_pmp.ehr.transport.response_class import NothingSent, NotReadable, Untrusted, WireFailure
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical

SYSTEM = "urn:fhir-pmp:probe"
"""The identifier system of everything a probe makes: whoever finds one that was left behind knows it by this."""
TEXT = "Interface test: is about nobody, may be deleted"
OLDER_RUN_AGE = timedelta(hours=2)
"""A run has long ended by then."""
_NOT_THERE = frozenset({404, 410})
_NOT_NOW = frozenset({408, 421, 423, 425, 429, 502, 503, 504})

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One response, parsed as far as possible; `body` is None without a JSON object."""

    status: int
    headers: Mapping[str, str]
    body: Resource | None
    raw: bytes

    @property
    def ok(self) -> bool:
        """200 or 201."""
        return self.status in (200, 201)

    @property
    def remote_reference(self) -> str | None:
        """`Type/id` of what was written, by the body or by Location."""
        body = self.body or {}
        if isinstance(body.get("id"), str) and body.get("resourceType") not in (
            None,
            "OperationOutcome",
            "Bundle",
        ):
            return f"{body['resourceType']}/{body['id']}"
        return reference_in_location(self.headers.get("Location") or self.headers.get("Content-Location"))

    @property
    def version(self) -> str | None:
        """The version tag."""
        meta = (self.body or {}).get("meta")
        return read_etag(self.headers.get("ETag")) or (
            meta.get("versionId") if isinstance(meta, dict) else None
        )

    @property
    def resources(self) -> list[Resource]:
        """The resources of a Bundle."""
        entries = (self.body or {}).get("entry")
        found = (
            [e.get("resource") for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
        )
        return [r for r in found if isinstance(r, dict) and isinstance(r.get("id"), str)]


@dataclass
class ProbeSession:
    """One run of probes at one server."""

    client: EhrClient
    kind: str
    token: str  # letters and digits, new for each run
    search_timeout: float  # seconds that a search is given to find what was written
    extra: Mapping[str, Any] = field(default_factory=dict)  # members that this server wants in every resource
    strict: bool = False  # an answer that says "not now" ends the run: it proves nothing
    pause: Callable[[float], None] = time.sleep
    created: dict[str, None] = field(default_factory=dict)  # what was made, `Type/id` there
    unanswered: set[str] = field(default_factory=set)  # identifier values whose write had no readable answer
    remains: list[str] = field(default_factory=list)  # what could not be removed, once that was tried
    lag: float | None = None  # seconds that a search was behind, once that was measured

    def resource(self, name: str, **more: Any) -> Resource:
        """A resource of the type, known by `name` within this run."""
        about: Resource = {"status": "entered-in-error", "code": {"text": TEXT}}
        if self.kind == "DocumentReference":
            attachment = {"contentType": "text/plain", "title": TEXT, "data": "dGVzdA=="}
            about = {"status": "entered-in-error", "content": [{"attachment": attachment}]}
        elif self.kind == "Basic":
            about = {"code": {"text": TEXT}}
        elif self.kind == "Organization":
            about = {"active": False, "name": TEXT}
        identifier = [{"system": SYSTEM, "value": self.value(name)}]
        return {"resourceType": self.kind, "identifier": identifier, **about, **self.extra, **more}

    def value(self, name: str) -> str:
        """The identifier's value."""
        return f"{self.token}-{name}"

    def id(self, name: str) -> str:
        """An id of ours."""
        return f"probe-{self.token}-{name}"

    def query(self, name: str) -> str:
        """The search for it."""
        return identifier_query(SYSTEM, self.value(name))

    def ask(self, method: str, path: str = "", body: object = None, **headers: str) -> Reply:
        """One request; a header's underscores stand for hyphens. Raises what `EhrClient.ask` raises."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else write_canonical(body)
        answer = self.client.ask(method, path, data, sent)
        if self.strict and answer.status in _NOT_NOW:
            raise NotReadable
        try:
            found: Resource | None = read_json(answer.body, max_bytes=LARGEST_ANSWER)
        except NotUnderstood:
            found = None
        return Reply(answer.status, answer.headers, found, answer.body)

    def write(self, method: str, path: str, resource: Resource, **headers: str) -> Reply:
        """Writes; whatever comes of it is noted to be removed."""
        name = str(resource["identifier"][0]["value"])
        self.unanswered.add(name)
        try:
            reply = self.ask(method, path, resource, **headers)
        except NothingSent:
            self.unanswered.discard(name)
            raise
        if reply.ok and reply.remote_reference is not None:
            self.created[reply.remote_reference] = None
        if reply.status < 500 and (not reply.ok or reply.remote_reference is not None):
            self.unanswered.discard(name)
        return reply

    def put(self, name: str, resource: Resource | None = None, **headers: str) -> Reply:
        """PUT under an id of ours."""
        body = {**(resource or self.resource(name)), "id": self.id(name)}
        return self.write("PUT", f"{self.kind}/{self.id(name)}", body, **headers)

    def update(self, remote_reference: str, resource: Resource, **headers: str) -> Reply:
        """PUT where something stands."""
        return self.write(
            "PUT", remote_reference, {**resource, "id": remote_reference.partition("/")[2]}, **headers
        )

    def create(self, name: str, **more: Any) -> Reply:
        """Makes one in whichever way the server takes: POST, else PUT under our id."""
        reply = self.write("POST", self.kind, self.resource(name, **more))
        return reply if reply.ok else self.put(name, self.resource(name, **more))

    def send_bundle(self, kind: str, entries: Sequence[Resource]) -> Reply:
        """A transaction or batch; whatever comes of it is noted to be removed."""
        named = [str(e["resource"]["identifier"][0]["value"]) for e in entries]
        self.unanswered |= set(named)
        reply = self.ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})
        answered = responses(reply)
        for name, response in zip(named, answered, strict=False):
            remote_reference = reference_in_location(response.get("location"))
            if remote_reference is not None:
                self.created[remote_reference] = None
            if remote_reference is not None or 400 <= status_of(response) < 500:
                self.unanswered.discard(name)
        if 400 <= reply.status < 500:
            self.unanswered -= set(named)
        return reply

    def read(self, remote_reference: str) -> Reply:
        """Reads one, never from a cache."""
        return self.ask("GET", remote_reference, Cache_Control="no-cache")

    def search(self, query: str, *, fresh: bool = True) -> Reply:
        """A search by GET: the identifiers are of nobody."""
        headers = {"Cache_Control": "no-cache"} if fresh else {}
        return self.ask("GET", f"{self.kind}?{query}", **headers)

    def seconds_until_found(self, name: str, count: int = 1) -> float | None:
        """Measures how long a search needs to find a new resource; None after the time-out.

        Once the lag of the search has been measured, the time-out is twice that.
        """
        begun, waits = time.monotonic(), 0.05
        search_timeout = (
            self.search_timeout if self.lag is None else min(2 * self.lag + 1.0, self.search_timeout)
        )
        while True:
            if len(self.search(self.query(name)).resources) >= count:
                return time.monotonic() - begun
            if time.monotonic() - begun >= search_timeout:
                return None
            self.pause(waits)
            waits = min(waits * 1.5, 2.0)

    def remove_older_runs(self) -> None:
        """Removes resources that a killed earlier run left behind.

        They carry our identifier system and are old by the server's own clock, so that a run of another process is not
        disturbed.
        """
        reply = self.search(f"identifier={quote(SYSTEM, safe='')}%7C&_count=50")
        now = server_date_of(Answer(reply.status, reply.headers, b""))
        for one in reply.resources:
            changed = last_updated_at(one)
            bears = any(i.get("system") == SYSTEM for i in one.get("identifier", []) if isinstance(i, dict))
            if bears and now is not None and changed is not None and now - changed > OLDER_RUN_AGE:
                self._remove(f"{self.kind}/{one['id']}")

    def wait_for_search(self) -> None:
        """Waits until a search knows of what was written."""
        self.pause(min(2 * (self.lag or 0.0), self.search_timeout))

    def remove_all(self) -> list[str]:
        """Removes everything that was created, newest first.

        Returns what could not be removed, which also stays in `remains`.
        """
        if self.unanswered:
            self.wait_for_search()
        for value in sorted(self.unanswered):
            try:
                reply = self.search(identifier_query(SYSTEM, value))
            except (WireFailure, Untrusted):
                continue
            self.created |= {f"{self.kind}/{one['id']}": None for one in reply.resources}
            if reply.resources or (reply.status == 200 and self.lag is not None):
                self.unanswered.discard(value)
        remains = [
            remote_reference
            for remote_reference in reversed(self.created)
            if not self._remove(remote_reference)
        ]
        self.remains = remains + [
            f"{self.kind} with identifier {value}, perhaps" for value in sorted(self.unanswered)
        ]
        return self.remains

    def _remove(self, remote_reference: str) -> bool:
        for _ in range(3):
            try:
                self.ask("DELETE", remote_reference)
                if self.read(remote_reference).status in _NOT_THERE:
                    return True
            except (NothingSent, Untrusted):
                return False  # nobody is there, or we are to end
            except WireFailure:
                self.pause(0.5)
        return False


def responses(reply: Reply) -> list[Resource]:
    """What a Bundle answered for each of its entries, in their order."""
    entries = (reply.body or {}).get("entry")
    found = [e.get("response") for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return [r if isinstance(r, dict) else {} for r in found]


def status_of(response: Resource) -> int:
    """The status an entry was answered with; 0 where it says none."""
    text = str(response.get("status", ""))[:3]
    return int(text) if text.isdigit() else 0
