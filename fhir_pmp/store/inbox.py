"""Stores received bodies verbatim before they are parsed, each with its first reply."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.inbox import IS_RECEIVED, inbox


class ArrivalState(StrEnum):
    """The processing state of an arrival."""

    RECEIVED = "received"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One body as received."""

    id: int
    channel: str  # "referral", ...
    sender: str  # client id
    sha256: str
    body: bytes
    received_at: datetime
    state: ArrivalState
    key: str | None
    reply_status: int | None
    reply_body: bytes | None


class Inbox:
    """The inbox: each body of a sender is stored once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, channel: str, sender: str, body: bytes, *, now: datetime) -> Arrival:
        """Stores the body, unless this sender has sent the same bytes before.

        Returns the new arrival, or the earlier one with its first reply.
        """
        digest = hashlib.sha256(body).hexdigest()
        query = sa.select(inbox).where(
            inbox.c.channel == channel, inbox.c.sender == sender, inbox.c.sha256 == digest
        )
        if (row := self._connection.execute(query).one_or_none()) is not None:
            return _arrival(row)
        added = self._connection.execute(
            sa.insert(inbox)
            .values(
                channel=channel,
                sender=sender,
                sha256=digest,
                body=body,
                received_at=now,
                state=ArrivalState.RECEIVED.value,
            )
            .returning(inbox)
        )
        return _arrival(added.one())

    def get(self, arrival: int) -> Arrival:
        """Returns the arrival. Raises NotStored."""
        row = self._connection.execute(sa.select(inbox).where(inbox.c.id == arrival)).one_or_none()
        if row is None:
            raise NotStored("no such arrival", field="inbox")
        return _arrival(row)

    def list_by_key(self, channel: str, sender: str, key: str) -> list[Arrival]:
        """Lists the arrivals that this sender sent under one key of its own, oldest first."""
        query = sa.select(inbox).where(
            inbox.c.channel == channel, inbox.c.sender == sender, inbox.c.key == key
        )
        return [_arrival(row) for row in self._connection.execute(query.order_by(inbox.c.id))]

    def record_reply(
        self, arrival: int, state: ArrivalState, *, key: str | None, status: int, body: bytes
    ) -> None:
        """Stores the reply; an earlier reply is kept."""
        self._connection.execute(
            sa.update(inbox)
            .where(inbox.c.id == arrival, inbox.c.reply_status.is_(None))
            .values(state=state.value, key=key, reply_status=status, reply_body=body)
        )

    def close(self, arrival: int, state: ArrivalState, *, key: str | None = None) -> None:
        """Sets the final state of an arrival; its reply is kept."""
        values = {"state": state.value} | ({} if key is None else {"key": key})
        self._connection.execute(sa.update(inbox).where(inbox.c.id == arrival).values(**values))

    def reopen(self, arrival: int) -> None:
        """Marks an arrival to be processed again.

        The same bytes came again and may have another meaning now.
        """
        self._connection.execute(
            sa.update(inbox).where(inbox.c.id == arrival).values(state=ArrivalState.RECEIVED.value)
        )

    def list_unprocessed(
        self, channel: str, *, sender: str | None = None, after: int = 0, limit: int = 200
    ) -> list[Arrival]:
        """Lists unprocessed arrivals of a channel, oldest first: the next `limit` after an id."""
        query = sa.select(inbox).where(inbox.c.channel == channel, sa.text(IS_RECEIVED), inbox.c.id > after)
        if sender is not None:
            query = query.where(inbox.c.sender == sender)
        return [_arrival(row) for row in self._connection.execute(query.order_by(inbox.c.id).limit(limit))]

    def list_by_channel(
        self, channel: str, *, sender: str | None = None, after: int = 0, limit: int = 10_000
    ) -> list[Arrival]:
        """Lists the arrivals of a channel, oldest first: the next `limit` after an id.

        Of one sender, or of all.
        """
        query = sa.select(inbox).where(inbox.c.channel == channel, inbox.c.id > after)
        if sender is not None:
            query = query.where(inbox.c.sender == sender)
        return [_arrival(row) for row in self._connection.execute(query.order_by(inbox.c.id).limit(limit))]

    def list_all(self, state: ArrivalState, *, limit: int = 200) -> list[Arrival]:
        """Arrivals in this state, oldest first."""
        query = sa.select(inbox).where(inbox.c.state == state.value).order_by(inbox.c.id).limit(limit)
        return [_arrival(row) for row in self._connection.execute(query)]


def _arrival(row: sa.Row[Any]) -> Arrival:
    return Arrival(
        id=row.id,
        channel=row.channel,
        sender=row.sender,
        sha256=row.sha256,
        body=row.body,
        received_at=row.received_at,
        state=ArrivalState(row.state),
        key=row.key,
        reply_status=row.reply_status,
        reply_body=row.reply_body,
    )
