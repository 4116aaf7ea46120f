"""Stores the first reply to each request of a platform.

A repeated request gets the same reply.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.engine.array_params import in_array
from fhir_pmp.store.engine.bulk import BulkInsert, chunked
from fhir_pmp.store.engine.columns import to_milliseconds
from fhir_pmp.store.tables.inbox import programme_replies

_REPLY_COLUMNS = ("client", "key", "sha256", "status", "body", "at")
_ADD = BulkInsert(programme_replies, *_REPLY_COLUMNS)
_PUT = BulkInsert(
    programme_replies,
    *_REPLY_COLUMNS,
    on_conflict="ON CONFLICT (client, key) DO UPDATE SET sha256 = excluded.sha256, status = excluded.status, "
    "body = excluded.body, at = excluded.at",
)


@dataclass(frozen=True, slots=True)
class ProgrammeReply:
    """The first reply to a platform's request."""

    sha256: str  # of the request's content
    status: int
    body: bytes


class ProgrammeReplies:
    """Stores first replies by the platform's own ids.

    A repeated request gets the same reply.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, client: str, key: str) -> ProgrammeReply | None:
        """Returns the reply under this key of the client, if there is one."""
        return self.find_many(client, [key]).get(key)

    def find_many(self, client: str, keys: Iterable[str]) -> dict[str, ProgrammeReply]:
        """Returns the replies under these keys of the client; keys without one are absent."""
        columns = programme_replies.c
        found: dict[str, ProgrammeReply] = {}
        for chunk in chunked(list(dict.fromkeys(keys))):
            query = sa.select(columns.key, columns.sha256, columns.status, columns.body)
            query = query.where(columns.client == client, in_array(columns.key, chunk))
            for row in self._connection.execute(query):
                found[row.key] = ProgrammeReply(row.sha256, row.status, row.body)
        return found

    def add(self, client: str, key: str, reply: ProgrammeReply, *, now: datetime) -> None:
        """Stores a first reply. Raises AlreadyStored for a key that has one."""
        _ADD(self._connection, _reply_rows(client, {key: reply}, now))

    def put_many(self, client: str, replies: Mapping[str, ProgrammeReply], *, now: datetime) -> None:
        """Stores replies, each replacing an earlier one under its key."""
        _PUT(self._connection, _reply_rows(client, replies, now))


def _reply_rows(client: str, replies: Mapping[str, ProgrammeReply], now: datetime) -> list[tuple[Any, ...]]:
    at = to_milliseconds(now)
    return [(client, key, a.sha256, a.status, a.body, at) for key, a in replies.items()]
