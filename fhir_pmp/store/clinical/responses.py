"""Stores responses in their newest version, with the scores computed at recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from fhir_pmp.identifiers import (
    EpisodeId,
    Identifier,
    InstrumentId,
    PersonId,
    ResponseId,
    ScaleId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus
from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.tables.responses import responses, scores

_COLUMNS = (
    "id",
    "person",
    "episode",
    "instrument",
    "instrument_version",
    "timepoint",
    "authored",
    "authored_on",
    "authored_at",
    "status",
    "version",
    "answers",
    "identifier_system",
    "identifier_value",
    "source",
    "content_hash",
    "recorded_at",
)
_ADD = BulkInsert(responses, *_COLUMNS)
_ADD_SCORES = BulkInsert(
    scores,
    "response",
    "scale",
    "position",
    "value",
    "published",
    "band",
    "answered",
    "blanks",
    "prorated",
    "unconfirmed",
)
_SCORE = [
    scores.c[name]
    for name in (
        "response",
        "scale",
        "value",
        "published",
        "band",
        "answered",
        "blanks",
        "prorated",
        "unconfirmed",
    )
]


@dataclass(frozen=True, slots=True)
class KnownResponse:
    """The stored version and hash of a response, to distinguish a repeat from an amendment."""

    version: int
    status: ResponseStatus
    content_hash: str  # as the recorder computed it


@dataclass(frozen=True, slots=True)
class NewResponse:
    """A response to store, with its scores and its content hash.

    Scores are in scale order. The hash identifies a repeat.
    """

    response: Response
    scores: tuple[Score, ...]
    content_hash: str


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A stored response, with its scores in scale order."""

    response: Response
    scores: tuple[Score, ...]
    recorded_at: datetime
    withdrawn_reason: str | None


class Responses:
    """Responses by id and by episode, read in chunks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find_known(self, ids: Iterable[ResponseId]) -> dict[ResponseId, KnownResponse]:
        """Returns version and hash under each of these ids; unknown ids are absent."""
        found: dict[ResponseId, KnownResponse] = {}
        for chunk in chunked(list(dict.fromkeys(ids))):
            query = sa.select(
                responses.c.id, responses.c.version, responses.c.status, responses.c.content_hash
            ).where(in_array(responses.c.id, chunk))
            for row in self._connection.execute(query):
                found[ResponseId(row.id)] = KnownResponse(
                    row.version, ResponseStatus(row.status), row.content_hash
                )
        return found

    def get(self, response: ResponseId) -> RecordedResponse:
        """Returns the response with its scores. Raises NotStored."""
        found = self.find(response)
        if found is None:
            raise NotStored("no such response", field="response")
        return found

    def find(self, response: ResponseId) -> RecordedResponse | None:
        """Returns the response with its scores, if stored."""
        found = self._select(responses.c.id == response)
        return found[0] if found else None

    def find_many(self, ids: Iterable[ResponseId]) -> dict[ResponseId, RecordedResponse]:
        """Returns those of these responses that are stored, withdrawn ones too."""
        found: list[RecordedResponse] = []
        for chunk in chunked(list(dict.fromkeys(ids))):
            found += self._select(in_array(responses.c.id, chunk))
        return {recorded.response.id: recorded for recorded in found}

    def of_episode(self, episode: EpisodeId, *, withdrawn: bool = False) -> list[RecordedResponse]:
        """Lists the episode's responses in the order authored; withdrawn ones only on request."""
        return self.of_episodes([episode], withdrawn=withdrawn).get(episode, [])

    def of_episodes(
        self, episodes: Iterable[EpisodeId], *, withdrawn: bool = False
    ) -> dict[EpisodeId, list[RecordedResponse]]:
        """Returns the responses of many episodes, each in the order authored."""
        found: dict[EpisodeId, list[RecordedResponse]] = {}
        for chunk in chunked(list(dict.fromkeys(episodes))):
            conditions: list[sa.ColumnElement[bool]] = [in_array(responses.c.episode, chunk)]
            if not withdrawn:
                conditions.append(responses.c.status != ResponseStatus.ENTERED_IN_ERROR.value)
            for recorded in self._select(*conditions):
                found.setdefault(recorded.response.episode, []).append(recorded)
        return found

    def add(self, new: NewResponse, *, now: datetime) -> None:
        """Stores one new response."""
        self.add_many([new], now=now)

    def add_many(self, new: Sequence[NewResponse], *, now: datetime) -> None:
        """Stores new responses with their scores.

        Raises AlreadyStored if an id is known, and stores none.
        """
        at = to_milliseconds(now)
        _ADD(self._connection, [_row(n.response, n.content_hash, at) for n in new])
        _ADD_SCORES(self._connection, [row for n in new for row in _score_rows(n.response.id, n.scores)])

    def replace(self, new: NewResponse, *, expected_version: int, now: datetime) -> None:
        """Stores the next version of a response. Raises ChangedMeanwhile unless it is `expected_version`."""
        row = dict(zip(_COLUMNS, _row(new.response, new.content_hash, to_milliseconds(now)), strict=True))
        names = ", ".join(f"{name} = :{name}" for name in _COLUMNS if name != "id")
        changed = self._connection.execute(
            sa.text(f"UPDATE responses SET {names} WHERE id = :id AND version = :expected_version"),
            {**row, "expected_version": expected_version},
        )
        if changed.rowcount == 0:
            raise ChangedMeanwhile(field="response")
        self._connection.execute(sa.delete(scores).where(scores.c.response == new.response.id))
        _ADD_SCORES(self._connection, _score_rows(new.response.id, new.scores))

    def withdraw(self, response: Response, *, by: str, reason: str, now: datetime) -> Response:
        """Withdraws a response as entered-in-error, in a new version. Raises ChangedMeanwhile.

        Its scores stay readable.
        """
        changed = self._connection.execute(
            sa.update(responses)
            .where(responses.c.id == response.id, responses.c.version == response.version)
            .values(
                status=ResponseStatus.ENTERED_IN_ERROR.value,
                version=response.version + 1,
                recorded_at=now,
                withdrawn_by=by,
                withdrawn_reason=reason,
            )
        )
        if changed.rowcount == 0:
            raise ChangedMeanwhile(field="response")
        return self.get(response.id).response

    def _select(self, *conditions: sa.ColumnElement[bool]) -> list[RecordedResponse]:
        query = sa.select(responses).where(*conditions).order_by(responses.c.authored_on, responses.c.id)
        rows = self._connection.execute(query).all()
        by_response: dict[str, list[Score]] = {}
        for chunk in chunked([row.id for row in rows]):
            found = sa.select(*_SCORE).where(in_array(scores.c.response, chunk)).order_by(scores.c.position)
            for response, *score in self._connection.execute(found):
                by_response.setdefault(response, []).append(_score(*score))
        return [
            RecordedResponse(
                _response(row), tuple(by_response.get(row.id, ())), row.recorded_at, row.withdrawn_reason
            )
            for row in rows
        ]


def _row(r: Response, content_hash: str, at: int) -> tuple[Any, ...]:
    authored = r.authored
    return (
        r.id,
        r.person,
        r.episode,
        r.instrument,
        r.instrument_version,
        r.timepoint,
        authored.text,
        authored.on.isoformat(),
        None if authored.at is None else to_milliseconds(authored.at),
        r.status.value,
        r.version,
        orjson.dumps(r.answers).decode(),
        r.identifier.system,
        r.identifier.value,
        r.source,
        content_hash,
        at,
    )


def _score_rows(response: ResponseId, of: Sequence[Score]) -> list[tuple[Any, ...]]:
    return [
        (
            response,
            s.scale,
            position,
            None if s.value is None else str(s.value),
            s.published,
            s.band,
            s.answered,
            s.blanks,
            s.prorated,
            " ".join(s.unconfirmed),
        )
        for position, s in enumerate(of)
    ]


def _response(row: sa.Row[Any]) -> Response:
    return Response(
        id=ResponseId(row.id),
        person=PersonId(row.person),
        episode=EpisodeId(row.episode),
        instrument=InstrumentId(row.instrument),
        instrument_version=row.instrument_version,
        timepoint=TimepointId(row.timepoint),
        authored=Moment(row.authored, row.authored_on, _authored_at(row)),
        status=ResponseStatus(row.status),
        version=row.version,
        answers=orjson.loads(row.answers),
        identifier=Identifier(row.identifier_system, row.identifier_value),
        source=SourceId(row.source),
    )


def _authored_at(row: sa.Row[Any]) -> datetime | None:
    # From the text: it has the offset and the microseconds that the sortable column lacks.
    return None if row.authored_at is None else datetime.fromisoformat(row.authored)


@lru_cache(maxsize=20_000)
def _score(
    scale: str,
    value: str | None,
    published: str | None,
    band: str | None,
    answered: int,
    blanks: int,
    prorated: bool,
    unconfirmed: str,
) -> Score:
    # Cached: scores are few and read often; an import reads all of a person's for each new response.
    return Score(
        scale=ScaleId(scale),
        value=None if value is None else Fraction(value),
        published=published,
        band=band,
        answered=answered,
        blanks=blanks,
        prorated=prorated,
        unconfirmed=tuple(unconfirmed.split()),
    )
