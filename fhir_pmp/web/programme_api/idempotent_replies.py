"""Stores the first reply to each platform request, and answers a repeat with it.

A repeat is a request about the same id with equal JSON content.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.resource_comparison import sorted_members
from fhir_pmp.identifiers import SourceId
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.programme_replies import ProgrammeReply


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to the platform: HTTP status and JSON bytes."""

    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, value: object) -> "Reply":
        """Builds a reply from a JSON value."""
        return cls(status, write_canonical(value))

    def to_response(self) -> Response:
        """Returns the reply as a Flask response."""
        return Response(self.body, self.status, content_type="application/json")


@dataclass(frozen=True, slots=True)
class RequestFingerprint:
    """The id that a request is about, and a hash of its content.

    The order of JSON members does not change the hash.
    """

    subject: str  # "enrolment/PMP-1", "response/r-1", ...
    sha256: str

    @classmethod
    def of(cls, subject: str, content: Any) -> "RequestFingerprint":
        """Builds the fingerprint of parsed JSON content."""
        return cls(subject, hashlib.sha256(write_canonical(sorted_members(content))).hexdigest())

    @property
    def key(self) -> str:
        """The key under which the reply is stored."""
        return f"{self.subject}/{self.sha256[:32]}"


class IdempotentReplies:
    """The stored replies of one source, within one unit of work."""

    def __init__(self, uow: UnitOfWork, source: SourceId) -> None:
        self._stored = uow.programme_replies
        self._namespace = f"source:{source}"

    def find(self, fingerprint: RequestFingerprint) -> Reply | None:
        """Returns the first reply to this request, or None."""
        return self.find_many([fingerprint]).get(fingerprint)

    def find_many(self, fingerprint: list[RequestFingerprint]) -> dict[RequestFingerprint, Reply]:
        """Returns the first reply to each of these requests; new requests are absent."""
        found = self._stored.find_many(self._namespace, [one.key for one in fingerprint])
        return {
            one: Reply(found[one.key].status, found[one.key].body)
            for one in fingerprint
            if one.key in found and found[one.key].sha256 == one.sha256
        }

    def keep(self, replies: dict[RequestFingerprint, Reply], *, now: datetime) -> None:
        """Stores replies; a later reply replaces an earlier one with the same key."""
        rows = {one.key: ProgrammeReply(one.sha256, a.status, a.body) for one, a in replies.items()}
        self._stored.put_many(self._namespace, rows, now=now)
