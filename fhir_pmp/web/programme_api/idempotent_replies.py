"""A repeat is answered as it was the first time, by the platform's own ids and what it says under them."""

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
    """What a platform is told: HTTP status and JSON bytes."""

    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, value: object) -> "Reply":
        """The answer that says this value."""
        return cls(status, write_canonical(value))

    def response(self) -> Response:
        """The answer as it leaves."""
        return Response(self.body, self.status, content_type="application/json")


@dataclass(frozen=True, slots=True)
class RequestFingerprint:
    """One thing a platform says under an id of its own: two are equal if they say the same, members in any order."""

    subject: str  # "enrolment/PMP-1", "response/r-1", ...
    sha256: str

    @classmethod
    def of(cls, subject: str, content: Any) -> "RequestFingerprint":
        """What this content says."""
        return cls(subject, hashlib.sha256(write_canonical(sorted_members(content))).hexdigest())

    @property
    def key(self) -> str:
        """The key its answer is kept under."""
        return f"{self.subject}/{self.sha256[:32]}"


class IdempotentReplies:
    """The answers of one platform's namespace, in the transaction of `books`."""

    def __init__(self, uow: UnitOfWork, source: SourceId) -> None:
        self._stored = uow.programme_replies
        self._namespace = f"source:{source}"

    def find(self, fingerprint: RequestFingerprint) -> Reply | None:
        """How this was answered when it was said first."""
        return self.find_many([fingerprint]).get(fingerprint)

    def find_many(self, fingerprint: list[RequestFingerprint]) -> dict[RequestFingerprint, Reply]:
        """How each of these was answered; what is said for the first time is absent."""
        found = self._stored.find_many(self._namespace, [one.key for one in fingerprint])
        return {
            one: Reply(found[one.key].status, found[one.key].body)
            for one in fingerprint
            if one.key in found and found[one.key].sha256 == one.sha256
        }

    def keep(self, replies: dict[RequestFingerprint, Reply], *, now: datetime) -> None:
        """Keeps answers; the same said with another effect (A, then B, then A again) is answered anew."""
        rows = {one.key: ProgrammeReply(one.sha256, a.status, a.body) for one, a in replies.items()}
        self._stored.put_many(self._namespace, rows, now=now)
