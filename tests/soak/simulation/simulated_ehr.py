"""The EHR of a schedule: the stub's own handler without its sockets, and a note of every state it has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from tests.stub_ehr.interactions import StubEhr, StubRequest, StubResponse
from tests.stub_ehr.json_text import to_json
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.records import Records, Version
from tests.stub_ehr.refusals import Problem, outcome, outcome_of
from tests.stub_ehr.writes import delete, update

BASE = "http://ehr.test/fhir"
MEDICARE = "http://ns.electronichealth.net.au/id/medicare-number"
STATUS = {
    "EpisodeOfCare": "active",
    "Flag": "active",
    "Observation": "final",
    "Questionnaire": "active",
    "QuestionnaireResponse": "completed",
}
"""What a stranger's resource says, where its type must say something."""

Resource = dict[str, Any]


@dataclass
class ObservedRecords(Records):
    """Tells of every version as it is kept, a whole group at once."""

    on_versions: Callable[[list[Version]], None] = field(default=lambda versions: None)
    clock: Callable[[], datetime] = field(default=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def add(self, kind: str, id_: str, resource: dict[str, Any] | None) -> Version:
        """The next version, at the time of this hospital."""
        with self.updated_at(self.clock().isoformat(timespec="milliseconds")):
            return super().add(kind, id_, resource)

    def _write_journal(self) -> None:
        if self._group:
            self.on_versions(list(self._group))


@dataclass(frozen=True, slots=True)
class WireResponse:
    """An answer as it goes over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class SimulatedEhr:
    """Answers requests, and lets its own people write."""

    def __init__(
        self,
        on_versions: Callable[[list[Version]], None],
        clock: Callable[[], datetime],
        *,
        client_ids: bool = True,
        bundles: bool = True,
    ) -> None:
        self._on_versions = on_versions
        self._clock = clock
        self._bundles = bundles
        self._client_ids = client_ids
        self._registered: dict[str, Resource] = {}
        self._ehr = self._empty()

    @property
    def records(self) -> Records:
        """What it holds."""
        return self._ehr.records

    def answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> WireResponse:
        """One request, as its server would answer it."""
        parts = urlsplit(address)
        path = parts.path.removeprefix("/fhir")
        asked = StubRequest(method, path, parts.query, {n.lower(): v for n, v in headers.items()}, body, BASE)
        try:
            answer = self._ehr.answer(asked)
        except Problem as problem:
            answer = StubResponse(problem.status, outcome_of(problem), problem.headers)
        except Exception as error:  # noqa: BLE001 - a server answers 500 and goes on
            answer = StubResponse(500, outcome("error", "exception", type(error).__name__))
        body_shown = None if answer.body is None else self._with_settings(path, answer.body)
        headers = {"Date": format_datetime(self._clock(), usegmt=True), **answer.headers}
        return self.as_wire_response(body_shown, answer.status, headers)

    @staticmethod
    def as_wire_response(
        resource: Resource | None, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> WireResponse:
        """An answer as it goes over the wire."""
        content = b"" if resource is None else to_json(resource)
        fixed_headers = {"Content-Type": "application/fhir+json", "Content-Length": str(len(content))}
        return WireResponse(status, fixed_headers | dict(headers or {}), content)

    def restart_empty(self, *, ids_again: bool = False, foreign_types: Sequence[str] = ()) -> None:
        """All is gone but its own patients, whom it has registered again.

        It gives no id a second time; or `ids_again`: each of its patients has the id of the one before, the first
        is a stranger, and the ids that it gives first are of these types of resource, which somebody else sends.
        """
        last = self.records.unused_id()
        self._ehr = self._empty()
        if ids_again:
            self._registered = self._patients_with_shifted_ids()
        else:
            while self.records.unused_id() != last:
                continue
        for remote_reference, resource in self._registered.items():
            self._register(remote_reference, resource)
        for kind in foreign_types:
            id_ = self.records.unused_id()
            self._register(f"{kind}/{id_}", _foreign_resource(kind, id_))

    def _patients_with_shifted_ids(self) -> dict[str, Resource]:
        foreign_patient = {
            "resourceType": "Patient",
            "identifier": [{"system": MEDICARE, "value": "m-stranger"}],
            "active": True,
            "birthDate": "1970-01-02",  # as everybody's: only the identifier tells them apart
        }
        remote_references = [*self._registered, f"Patient/hospital-anew-{len(self._registered)}"]
        patients = [foreign_patient, *self._registered.values()]
        return {
            remote_reference: {**resource, "id": remote_reference.partition("/")[2]}
            for remote_reference, resource in zip(remote_references, patients, strict=True)
        }

    def register(self, number: int, kind: str, medicare: str, birth_date: str) -> str | None:
        """A Patient of its own. `kind`: "plain", "inactive", "born otherwise". None where that one is there already."""
        remote_reference = f"Patient/hospital-{number}-{kind.replace(' ', '-')}"
        if remote_reference in self._registered:
            return None
        born = "1901-02-03" if kind == "born otherwise" else birth_date
        resource: Resource = {
            "resourceType": "Patient",
            "id": remote_reference.partition("/")[2],
            "identifier": [{"system": MEDICARE, "value": medicare}],
            "active": kind != "inactive",
            "birthDate": born,
        }
        self._registered[remote_reference] = resource
        self._register(remote_reference, resource)
        return remote_reference

    def edit(self, remote_reference: str, mark: str) -> bool:
        """Somebody there changes a resource; whether it was there."""
        kind, _, id_ = remote_reference.partition("/")
        there = self.records.get(kind, id_)
        if there is None:
            return False
        changed = {**there, "language": mark}
        with self.records.group():
            update(self.records, kind, id_, changed, None)
        return True

    def delete(self, remote_reference: str) -> bool:
        """Somebody there deletes a resource; whether the server let them."""
        kind, _, id_ = remote_reference.partition("/")
        try:
            return delete(self.records, kind, id_) is not None
        except Problem:
            return False

    def remote_references(self) -> list[str]:
        """Everything that stands there and that it did not register itself."""
        newest = {(v.kind, v.id): v for v in self.records.all_versions()}
        standing = (f"{kind}/{id_}" for (kind, id_), v in newest.items() if v.resource is not None)
        return sorted(
            remote_reference for remote_reference in standing if remote_reference not in self._registered
        )

    def previous_version(self, remote_reference: str) -> Resource | None:
        """The version before the newest, as a stale copy would show it."""
        kind, _, id_ = remote_reference.partition("/")
        versions = self.records.history(kind, id_)
        return versions[1].resource if len(versions) > 1 else None

    def _empty(self) -> StubEhr:
        records = ObservedRecords(on_versions=self._on_versions, clock=self._clock)
        return StubEhr(records, Pages(cache_seconds=0.0), client_ids=self._client_ids)

    def _register(self, remote_reference: str, resource: Resource) -> None:
        kind, _, id_ = remote_reference.partition("/")
        with self.records.group():
            self.records.add(kind, id_, resource)

    def _with_settings(self, path: str, body: Resource) -> Resource:
        if path.strip("/") == "metadata" and not self._bundles:
            body["rest"][0]["interaction"] = [{"code": "history-system"}]
        return body


def _foreign_resource(kind: str, number: str) -> Resource:
    """Somebody else's resource of this type, of another clinic."""
    identifier = {"system": "urn:another-clinic", "value": number}
    borne = identifier if kind == "QuestionnaireResponse" else [identifier]
    resource: Resource = {"resourceType": kind, "id": number, "identifier": borne}
    return resource | ({"status": STATUS[kind]} if kind in STATUS else {})
