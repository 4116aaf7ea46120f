"""What arrived, kept verbatim before it is understood, with the answer it first got."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.errors import NotStored
from fhir_pmp.store.tables.inbox import IS_RECEIVED, inbox


class ArrivalState(StrEnum):
    """How far an arrival got."""

    RECEIVED = "received"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One body as it came in."""

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
    """Arrivals, each body of a sender once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, channel: str, sender: str, body: bytes, *, now: datetime) -> Arrival:
        """The arrival as kept: a new one, or the earlier one of the same bytes with its first answer."""
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
        """The arrival. Raises NotStored."""
        row = self._connection.execute(sa.select(inbox).where(inbox.c.id == arrival)).one_or_none()
        if row is None:
            raise NotStored("no such arrival", field="inbox")
        return _arrival(row)

    def list_by_key(self, channel: str, sender: str, key: str) -> list[Arrival]:
        """Everything this sender sent under one key of its own, oldest first."""
        query = sa.select(inbox).where(
            inbox.c.channel == channel, inbox.c.sender == sender, inbox.c.key == key
        )
        return [_arrival(row) for row in self._connection.execute(query.order_by(inbox.c.id))]

    def record_reply(
        self, arrival: int, state: ArrivalState, *, key: str | None, status: int, body: bytes
    ) -> None:
        """Keeps what was answered; the first answer stands."""
        self._connection.execute(
            sa.update(inbox)
            .where(inbox.c.id == arrival, inbox.c.reply_status.is_(None))
            .values(state=state.value, key=key, reply_status=status, reply_body=body)
        )

    def close(self, arrival: int, state: ArrivalState, *, key: str | None = None) -> None:
        """It was understood, or never will be; what was answered stands."""
        values = {"state": state.value} | ({} if key is None else {"key": key})
        self._connection.execute(sa.update(inbox).where(inbox.c.id == arrival).values(**values))

    def reopen(self, arrival: int) -> None:
        """The same bytes came again and may mean something new: it is to be looked at once more."""
        self._connection.execute(
            sa.update(inbox).where(inbox.c.id == arrival).values(state=ArrivalState.RECEIVED.value)
        )

    def list_unprocessed(
        self, channel: str, *, sender: str | None = None, after: int = 0, limit: int = 200
    ) -> list[Arrival]:
        """What came by this door and is not understood yet, oldest first, the next `limit` after a number."""
        query = sa.select(inbox).where(inbox.c.channel == channel, sa.text(IS_RECEIVED), inbox.c.id > after)
        if sender is not None:
            query = query.where(inbox.c.sender == sender)
        return [_arrival(row) for row in self._connection.execute(query.order_by(inbox.c.id).limit(limit))]

    def list_by_channel(
        self, channel: str, *, sender: str | None = None, after: int = 0, limit: int = 10_000
    ) -> list[Arrival]:
        """What came by this door, from this sender or from anybody, oldest first, the next `limit` after a number."""
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
