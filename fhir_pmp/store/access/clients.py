"""Stores API clients: platforms, EHRs that read, practices that refer, and monitoring systems."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import ClientId, Identifier, SourceId
from fhir_pmp.store.errors import AlreadyStored, NotStored
from fhir_pmp.store.tables.access import clients


class ClientKind(StrEnum):
    """The kind of API a client is registered for."""

    PLATFORM = "platform"
    EHR = "ehr"
    PRACTICE = "practice"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. Only the hash of its token is stored."""

    id: ClientId
    name: str
    kind: ClientKind
    organization: Identifier | None  # a practice's
    source: SourceId | None  # a platform's
    disabled: bool


class Clients:
    """Clients by the hash of their token, by name, or by their practice."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(
        self,
        client: ClientId,
        *,
        name: str,
        kind: ClientKind,
        token_hash: str,
        now: datetime,
        organization: Identifier | None = None,
        source: SourceId | None = None,
    ) -> Client:
        """Stores a new client. Raises AlreadyStored for a name that exists."""
        if self.find_by_name(name) is not None:
            raise AlreadyStored("a client of this name exists", field="name")
        self._connection.execute(
            sa.insert(clients).values(
                id=client,
                name=name,
                kind=kind.value,
                token_hash=token_hash,
                organization_system=organization.system if organization else None,
                organization_value=organization.value if organization else None,
                source=source,
                disabled=False,
                added_at=now,
            )
        )
        return self.get(client)

    def get(self, client: ClientId) -> Client:
        """Returns the client. Raises NotStored."""
        found = self._one(clients.c.id == client)
        if found is None:
            raise NotStored("no such client", field="client")
        return found

    def find_by_token_hash(self, token_hash: str) -> Client | None:
        """Returns the client of this token, disabled or not."""
        return self._one(clients.c.token_hash == token_hash)

    def find_by_name(self, name: str) -> Client | None:
        """Returns the client of this name."""
        return self._one(clients.c.name == name)

    def find_practice(self, organization: Identifier) -> Client | None:
        """Returns the client of the practice with this identifier.

        That client owns the letters addressed to the practice.
        """
        query = sa.select(clients).where(
            clients.c.organization_system == organization.system,
            clients.c.organization_value == organization.value,
            clients.c.kind == ClientKind.PRACTICE.value,
        )
        row = self._connection.execute(query.order_by(clients.c.added_at, clients.c.id)).first()
        return None if row is None else _client(row)

    def list_all(self) -> list[Client]:
        """Lists all clients, by name."""
        return [_client(row) for row in self._connection.execute(sa.select(clients).order_by(clients.c.name))]

    def set_token(self, client: ClientId, token_hash: str) -> None:
        """Replaces the token."""
        self._connection.execute(
            sa.update(clients).where(clients.c.id == client).values(token_hash=token_hash)
        )

    def set_disabled(self, client: ClientId, disabled: bool) -> None:
        """Disables or enables the client."""
        self._connection.execute(sa.update(clients).where(clients.c.id == client).values(disabled=disabled))

    def _one(self, condition: sa.ColumnElement[bool]) -> Client | None:
        row = self._connection.execute(sa.select(clients).where(condition)).one_or_none()
        return None if row is None else _client(row)


def _client(row: sa.Row[Any]) -> Client:
    organization = (
        Identifier(row.organization_system, row.organization_value)
        if row.organization_value is not None
        else None
    )
    return Client(ClientId(row.id), row.name, ClientKind(row.kind), organization, row.source, row.disabled)
