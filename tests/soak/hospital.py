"""The EHR of a schedule: the stub's own handler without its sockets, and a note of every state it has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from tests.stub_ehr.json_text import to_json
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.problems import Problem, outcome, outcome_of
from tests.stub_ehr.records import Records, Version
from tests.stub_ehr.requests_in import Answer, Asked, Ehr
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
class WatchedRecords(Records):
    """Tells of every version as it is kept, a whole group at once."""

    tell: Callable[[list[Version]], None] = field(default=lambda versions: None)
    clock: Callable[[], datetime] = field(default=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def add(self, kind: str, id_: str, resource: dict[str, Any] | None) -> Version:
        """The next version, at the time of this hospital."""
        with self.updated_at(self.clock().isoformat(timespec="milliseconds")):
            return super().add(kind, id_, resource)

    def _write_journal(self) -> None:
        if self._group:
            self.tell(list(self._group))


@dataclass(frozen=True, slots=True)
class Wired:
    """An answer as it goes over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Hospital:
    """Answers requests, and lets its own people write."""

    def __init__(
        self,
        tell: Callable[[list[Version]], None],
        clock: Callable[[], datetime],
        *,
        client_ids: bool = True,
        bundles: bool = True,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._bundles = bundles
        self._client_ids = client_ids
        self._registered: dict[str, Resource] = {}
        self._ehr = self._empty()

    @property
    def records(self) -> Records:
        """What it holds."""
        return self._ehr.records

    def answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> Wired:
        """One request, as its server would answer it."""
        parts = urlsplit(address)
        path = parts.path.removeprefix("/fhir")
        asked = Asked(method, path, parts.query, {n.lower(): v for n, v in headers.items()}, body, BASE)
        try:
            answer = self._ehr.answer(asked)
        except Problem as problem:
            answer = Answer(problem.status, outcome_of(problem), problem.headers)
        except Exception as error:  # noqa: BLE001 - a server answers 500 and goes on
            answer = Answer(500, outcome("error", "exception", type(error).__name__))
        body_shown = None if answer.body is None else self._as_set(path, answer.body)
        headers = {"Date": format_datetime(self._clock(), usegmt=True), **answer.headers}
        return self.shown(body_shown, answer.status, headers)

    @staticmethod
    def shown(
        resource: Resource | None, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Wired:
        """An answer as it goes over the wire."""
        content = b"" if resource is None else to_json(resource)
        told = {"Content-Type": "application/fhir+json", "Content-Length": str(len(content))}
        return Wired(status, told | dict(headers or {}), content)

    def restart_empty(self, *, ids_again: bool = False, strangers: Sequence[str] = ()) -> None:
        """All is gone but its own patients, whom it has registered again.

        It gives no id a second time; or `ids_again`: each of its patients has the id of the one before, the first
        is a stranger, and the ids that it gives first are of these types of resource, which somebody else sends.
        """
        last = self.records.unused_id()
        self._ehr = self._empty()
        if ids_again:
            self._registered = self._moved_up()
        else:
            while self.records.unused_id() != last:
                continue
        for place, resource in self._registered.items():
            self._register(place, resource)
        for kind in strangers:
            id_ = self.records.unused_id()
            self._register(f"{kind}/{id_}", _stranger(kind, id_))

    def _moved_up(self) -> dict[str, Resource]:
        stranger = {
            "resourceType": "Patient",
            "identifier": [{"system": MEDICARE, "value": "m-stranger"}],
            "active": True,
            "birthDate": "1970-01-02",  # as everybody's: only the identifier tells them apart
        }
        places = [*self._registered, f"Patient/hospital-anew-{len(self._registered)}"]
        patients = [stranger, *self._registered.values()]
        return {
            place: {**resource, "id": place.partition("/")[2]}
            for place, resource in zip(places, patients, strict=True)
        }

    def register(self, number: int, kind: str, medicare: str, birth_date: str) -> str | None:
        """A Patient of its own. `kind`: "plain", "inactive", "born otherwise". None where that one is there already."""
        place = f"Patient/hospital-{number}-{kind.replace(' ', '-')}"
        if place in self._registered:
            return None
        born = "1901-02-03" if kind == "born otherwise" else birth_date
        resource: Resource = {
            "resourceType": "Patient",
            "id": place.partition("/")[2],
            "identifier": [{"system": MEDICARE, "value": medicare}],
            "active": kind != "inactive",
            "birthDate": born,
        }
        self._registered[place] = resource
        self._register(place, resource)
        return place

    def edit(self, place: str, mark: str) -> bool:
        """Somebody there changes a resource; whether it was there."""
        kind, _, id_ = place.partition("/")
        there = self.records.get(kind, id_)
        if there is None:
            return False
        changed = {**there, "language": mark}
        with self.records.group():
            update(self.records, kind, id_, changed, None)
        return True

    def delete(self, place: str) -> bool:
        """Somebody there deletes a resource; whether the server let them."""
        kind, _, id_ = place.partition("/")
        try:
            return delete(self.records, kind, id_) is not None
        except Problem:
            return False

    def places(self) -> list[str]:
        """Everything that stands there and that it did not register itself."""
        newest = {(v.kind, v.id): v for v in self.records.all_versions()}
        standing = (f"{kind}/{id_}" for (kind, id_), v in newest.items() if v.resource is not None)
        return sorted(place for place in standing if place not in self._registered)

    def older(self, place: str) -> Resource | None:
        """The version before the newest, as a stale copy would show it."""
        kind, _, id_ = place.partition("/")
        versions = self.records.history(kind, id_)
        return versions[1].resource if len(versions) > 1 else None

    def _empty(self) -> Ehr:
        records = WatchedRecords(tell=self._tell, clock=self._clock)
        return Ehr(records, Pages(cache_seconds=0.0), client_ids=self._client_ids)

    def _register(self, place: str, resource: Resource) -> None:
        kind, _, id_ = place.partition("/")
        with self.records.group():
            self.records.add(kind, id_, resource)

    def _as_set(self, path: str, body: Resource) -> Resource:
        if path.strip("/") == "metadata" and not self._bundles:
            body["rest"][0]["interaction"] = [{"code": "history-system"}]
        return body


def _stranger(kind: str, number: str) -> Resource:
    """Somebody else's resource of this type, of another clinic."""
    identifier = {"system": "urn:another-clinic", "value": number}
    borne = identifier if kind == "QuestionnaireResponse" else [identifier]
    resource: Resource = {"resourceType": kind, "id": number, "identifier": borne}
    return resource | ({"status": STATUS[kind]} if kind in STATUS else {})
