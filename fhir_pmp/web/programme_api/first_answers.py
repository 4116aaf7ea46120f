"""A repeat is answered as it was the first time, by the platform's own ids and what it says under them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response

from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.fhir.same_content import sorted_members
from fhir_pmp.identifiers import SourceId
from fhir_pmp.store import Books
from fhir_pmp.store.inbox import ProgrammeAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform is told: HTTP status and JSON bytes."""

    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, value: object) -> "Answer":
        """The answer that says this value."""
        return cls(status, write_canonical(value))

    def response(self) -> Response:
        """The answer as it leaves."""
        return Response(self.body, self.status, content_type="application/json")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a platform says under an id of its own: two are equal if they say the same, members in any order."""

    about: str  # "enrolment/PMP-1", "response/r-1", ...
    sha256: str

    @classmethod
    def of(cls, about: str, content: Any) -> "Said":
        """What this content says."""
        return cls(about, hashlib.sha256(write_canonical(sorted_members(content))).hexdigest())

    @property
    def key(self) -> str:
        """The key its answer is kept under."""
        return f"{self.about}/{self.sha256[:32]}"


class FirstAnswers:
    """The answers of one platform's namespace, in the transaction of `books`."""

    def __init__(self, books: Books, source: SourceId) -> None:
        self._kept = books.programme_answers
        self._namespace = f"source:{source}"

    def find(self, said: Said) -> Answer | None:
        """How this was answered when it was said first."""
        return self.find_many([said]).get(said)

    def find_many(self, said: list[Said]) -> dict[Said, Answer]:
        """How each of these was answered; what is said for the first time is absent."""
        found = self._kept.find_many(self._namespace, [one.key for one in said])
        return {
            one: Answer(found[one.key].status, found[one.key].body)
            for one in said
            if one.key in found and found[one.key].sha256 == one.sha256
        }

    def keep(self, answers: dict[Said, Answer], *, now: datetime) -> None:
        """Keeps answers; the same said with another effect (A, then B, then A again) is answered anew."""
        rows = {one.key: ProgrammeAnswer(one.sha256, a.status, a.body) for one, a in answers.items()}
        self._kept.keep_newest(self._namespace, rows, now=now)
