"""Who did something, by name: what the books keep is an account's id, a client's, or the system's own word."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_pmp.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class ActorNames:
    """The names of accounts and clients."""

    accounts: Mapping[str, str]
    clients: Mapping[str, str]

    @classmethod
    def load(cls, uow: UnitOfWork) -> "ActorNames":
        """The names as they are now."""
        accounts = {account.id: account.name for account in uow.accounts.list_all()}
        return cls(accounts, {str(client.id): client.name for client in uow.clients.list_all()})

    def display_name(self, by: str | None) -> str:
        """The name behind what is kept; what is neither account nor client as it stands."""
        if by is None:
            return "nobody"
        kind, _, own = by.partition(":")
        if kind == "client":
            return self.clients.get(own, "a practice or platform")
        return self.accounts.get(own if kind == "account" else by, by)
