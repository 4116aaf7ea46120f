"""Turns the stored actor of an action into a name for display.

Stored are `account:ID`, `client:ID`, or a plain text such as the name of a command.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_pmp.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class ActorNames:
    """The names of accounts and clients, by id."""

    accounts: Mapping[str, str]
    clients: Mapping[str, str]

    @classmethod
    def load(cls, uow: UnitOfWork) -> "ActorNames":
        """Reads the current names from the store."""
        accounts = {account.id: account.name for account in uow.accounts.list_all()}
        return cls(accounts, {str(client.id): client.name for client in uow.clients.list_all()})

    def display_name(self, by: str | None) -> str:
        """Returns a stored actor's name; text that is no account or client unchanged."""
        if by is None:
            return "unknown"
        kind, _, own = by.partition(":")
        if kind == "client":
            return self.clients.get(own, "a practice or platform")
        return self.accounts.get(own if kind == "account" else by, by)
