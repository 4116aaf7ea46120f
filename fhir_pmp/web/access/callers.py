"""Who is calling: a client by its bearer token, a clinician by the session cookie; never both at one door."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import g, request
from werkzeug.exceptions import Unauthorized

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.accounts import Account
from fhir_pmp.store.clients import Client
from fhir_pmp.store.readers import Reader
from fhir_pmp.store.sessions import Session
from fhir_pmp.web.access.hook_callers import hook_caller
from fhir_pmp.web.access.policy import LARGEST_BODY, Visitor
from fhir_pmp.web.access.sessions import find_session
from fhir_pmp.web.access.tokens import token_hash
from fhir_pmp.web.desk import desk
from fhir_pmp.web.doors import Door, door

_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9\-._~+/]{1,512}=*)")


@dataclass(frozen=True, slots=True)
class ClientCaller:
    """A system that carries a bearer token."""

    client: Client

    @property
    def visitor(self) -> Visitor:
        """What kind of visitor it is."""
        return Visitor(self.client.kind.value)

    @property
    def name(self) -> str:
        """How audit and books name it."""
        return f"client:{self.client.id}"


@dataclass(frozen=True, slots=True)
class AccountCaller:
    """A person of the clinic who has logged in."""

    account: Account
    session: Session

    @property
    def visitor(self) -> Visitor:
        """What kind of visitor it is."""
        return Visitor(self.account.role.value)

    @property
    def name(self) -> str:
        """How audit and books name them."""
        return f"account:{self.account.id}"


@dataclass(frozen=True, slots=True)
class HookCaller:
    """An EHR that holds the secret of its webhook."""

    destination: DestinationId

    @property
    def visitor(self) -> Visitor:
        """What kind of visitor it is."""
        return Visitor.HOOK

    @property
    def name(self) -> str:
        """How audit and books name it."""
        return f"hook:{self.destination}"


Caller = ClientCaller | AccountCaller | HookCaller


def identify() -> Caller | None:
    """The caller of this request, looked up once; None: nobody we know.

    Reads headers only; at the hooks also the bytes of the body where they are signed, and nothing of what they say.
    """
    if "caller" not in g:
        g.caller = _KNOWN_BY.get(door(), _token_caller)()
    found: Caller | None = g.caller
    return found


def client() -> Client:
    """The client that calls. Raises Unauthorized where a policy let somebody else in."""
    match identify():
        case ClientCaller(client=found):
            return found
        case _:
            raise Unauthorized


def account() -> Account:
    """The account of whoever is logged in. Raises Unauthorized where a policy let somebody else in."""
    match identify():
        case AccountCaller(account=found):
            return found
        case _:
            raise Unauthorized


def hook_destination() -> DestinationId:
    """The destination whose webhook rings. Raises Unauthorized where a policy let somebody else in."""
    match identify():
        case HookCaller(destination=found):
            return found
        case _:
            raise Unauthorized


def reader() -> Reader:
    """On whose behalf published resources are read. Raises Unauthorized for an unknown caller or a platform."""
    match identify():
        case ClientCaller(client=found, visitor=Visitor.EHR):
            return Reader.ehr(found.id)
        case ClientCaller(client=found, visitor=Visitor.PRACTICE):
            return Reader.practice(found.id)
        case AccountCaller():
            return Reader.house()
        case _:
            raise Unauthorized


def _token_caller() -> ClientCaller | None:
    given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if given is None:
        return None
    with desk().store.read() as books:
        found = books.clients.find_by_token_hash(token_hash(given[1]))
    return None if found is None or found.disabled else ClientCaller(found)


def _hook_caller() -> HookCaller | None:
    found = hook_caller(desk().hook_secrets, desk().clock(), LARGEST_BODY)
    return None if found is None else HookCaller(found)


def _session_caller() -> AccountCaller | None:
    found = find_session(desk(), request.cookies, desk().clock())
    return None if found is None else AccountCaller(*found)


_KNOWN_BY: Mapping[Door, Callable[[], Caller | None]] = {
    Door.PAGES: _session_caller,
    Door.HOOKS: _hook_caller,
}
