"""What the server has stored: every version of every resource, in memory and optionally in a journal file."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tests.stub_ehr.json_text import from_json, to_json
from tests.stub_ehr.validation import checked_references

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource. A deletion is a version without a resource."""

    kind: str
    id: str
    number: int
    updated: str
    resource: dict[str, Any] | None


@dataclass
class Records:
    """All versions by (type, id). Changes happen inside `group`: all of a group are kept, or none."""

    journal: Path | None = None
    search_lag: float = 0.0  # seconds until a search finds what was made
    keeps: Callable[[dict[str, Any]], dict[str, Any]] = lambda resource: (
        resource
    )  # what of a resource is stored
    _versions: dict[Key, list[Version]] = field(default_factory=dict)
    _ids: dict[str, dict[str, None]] = field(default_factory=dict)
    _next_id: int = 1
    _group: list[Version] | None = None
    _file: IO[bytes] | None = None
    _updated: str | None = None

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        if self.journal is not None:
            if self.journal.exists():
                for line in self.journal.read_bytes().splitlines():
                    self._replay(line)
            self._file = self.journal.open("ab", buffering=0)

    @contextmanager
    def group(self) -> Iterator[None]:
        """One change, of one resource or of many: kept whole or not at all. Groups inside a group join it."""
        with self.lock:
            if self._group is not None:
                yield
                return
            self._group = []
            try:
                yield
                self._write_journal()
            except BaseException:
                for version in reversed(self._group):
                    self._versions[(version.kind, version.id)].pop()
                raise
            finally:
                self._group = None

    @contextmanager
    def updated_at(self, moment: str) -> Iterator[None]:
        """What is written inside bears this moment as its lastUpdated, as a row does that was committed late."""
        with self.lock:
            self._updated = moment
            try:
                yield
            finally:
                self._updated = None

    def newest(self, kind: str, id_: str) -> Version | None:
        """The newest version, which may be a deletion; None where the id was never used."""
        versions = self._versions.get((kind, id_))
        return versions[-1] if versions else None

    def get(self, kind: str, id_: str) -> dict[str, Any] | None:
        """The resource as it stands, None where there is none."""
        newest = self.newest(kind, id_)
        return newest.resource if newest else None

    def history(self, kind: str, id_: str) -> list[Version]:
        """Every version of a resource, newest first."""
        return self._versions.get((kind, id_), [])[::-1]

    def all_versions(self) -> Iterator[Version]:
        """Every version of everything."""
        for versions in self._versions.values():
            yield from versions

    def of_type(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every resource of a type as it stands, in order of creation."""
        for id_ in self._ids.get(kind, ()):
            resource = self.get(kind, id_)
            if resource is not None:
                yield resource

    def is_indexed(self, kind: str, id_: str) -> bool:
        """Whether a search knows of it by now."""
        if not self.search_lag:
            return True
        made = datetime.fromisoformat(self._versions[(kind, id_)][0].updated)
        return (datetime.now(UTC) - made).total_seconds() >= self.search_lag

    def is_referred_to(self, kind: str, id_: str) -> bool:
        """Whether a resource as it stands refers to this one where HAPI looks."""
        wanted = f"{kind}/{id_}"
        newest = (versions[-1].resource for versions in self._versions.values() if versions)
        return any(wanted in checked_references(resource) for resource in newest if resource is not None)

    def unused_id(self) -> str:
        """A number that no resource has."""
        with self.lock:
            self._next_id += 1
            return str(self._next_id - 1)

    def add(self, kind: str, id_: str, resource: dict[str, Any] | None) -> Version:
        """The next version of a resource, with its meta; must be called inside `group`."""
        assert self._group is not None
        before = self.newest(kind, id_)
        number = before.number + 1 if before else 1
        updated = self._updated or datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC).isoformat(
            timespec="milliseconds"
        )
        if resource is not None:
            meta = {"versionId": str(number), "lastUpdated": updated, **resource.get("meta", {})}
            meta |= {"versionId": str(number), "lastUpdated": updated}
            rest = {
                name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")
            }
            resource = {"resourceType": kind, "id": id_, "meta": meta, **rest}
        version = Version(kind, id_, number, updated, resource)
        self._keep(version)
        self._group.append(version)
        return version

    def _keep(self, version: Version) -> None:
        self._versions.setdefault((version.kind, version.id), []).append(version)
        self._ids.setdefault(version.kind, {})[version.id] = None

    def _write_journal(self) -> None:
        if self._file is not None and self._group:
            rows = [[v.kind, v.id, v.number, v.updated, v.resource] for v in self._group]
            self._file.write(to_json({"next_id": self._next_id, "rows": rows}) + b"\n")

    def _replay(self, line: bytes) -> None:
        try:
            group = from_json(line)
        except ValueError:
            return  # the line that was being written when the process was killed: never answered for
        self._next_id = group["next_id"]
        for kind, id_, number, updated, resource in group["rows"]:
            self._keep(Version(kind, id_, number, updated, resource))
