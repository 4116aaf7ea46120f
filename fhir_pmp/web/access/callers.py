"""Identifies the caller of a request: by bearer token, session cookie or webhook secret.

Each API surface accepts exactly one of the three.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import g, request
from werkzeug.exceptions import Unauthorized

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.access.accounts import Account
from fhir_pmp.store.access.clients import Client
from fhir_pmp.store.access.sessions import Session
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.web.access.policy import MAX_BODY_BYTES, CallerKind
from fhir_pmp.web.access.sessions import find_session
from fhir_pmp.web.access.tokens import token_hash
from fhir_pmp.web.access.webhook_signature import identify_webhook_sender
from fhir_pmp.web.api_surface import ApiSurface, current_surface
from fhir_pmp.web.context import web_context

_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9\-._~+/]{1,512}=*)")


@dataclass(frozen=True, slots=True)
class ClientCaller:
    """A registered system that sent a bearer token."""

    client: Client

    @property
    def caller_kind(self) -> CallerKind:
        """The kind of caller, for policies."""
        return CallerKind(self.client.kind.value)

    @property
    def name(self) -> str:
        """The name in the audit and in stored rows."""
        return f"client:{self.client.id}"


@dataclass(frozen=True, slots=True)
class AccountCaller:
    """A user of the clinic who has logged in."""

    account: Account
    session: Session

    @property
    def caller_kind(self) -> CallerKind:
        """The kind of caller, for policies."""
        return CallerKind(self.account.role.value)

    @property
    def name(self) -> str:
        """The name in the audit and in stored rows."""
        return f"account:{self.account.id}"


@dataclass(frozen=True, slots=True)
class WebhookCaller:
    """An EHR that proved it holds the secret of its webhook."""

    destination: DestinationId

    @property
    def caller_kind(self) -> CallerKind:
        """The kind of caller, for policies."""
        return CallerKind.HOOK

    @property
    def name(self) -> str:
        """The name in the audit and in stored rows."""
        return f"hook:{self.destination}"


Caller = ClientCaller | AccountCaller | WebhookCaller


def identify() -> Caller | None:
    """Returns the caller of this request, looked up once; None for an unidentified caller.

    Reads headers only. At /hooks it also reads the bytes of a signed body, without parsing them.
    """
    if "caller" not in g:
        g.caller = _IDENTIFIERS.get(current_surface(), _token_caller)()
    found: Caller | None = g.caller
    return found


def client() -> Client:
    """Returns the calling client. Raises Unauthorized for any other caller that a policy let in."""
    match identify():
        case ClientCaller(client=found):
            return found
        case _:
            raise Unauthorized


def account() -> Account:
    """Returns the account that is logged in. Raises Unauthorized for any other caller."""
    match identify():
        case AccountCaller(account=found):
            return found
        case _:
            raise Unauthorized


def hook_destination() -> DestinationId:
    """Returns the EHR that sent the webhook. Raises Unauthorized for any other caller."""
    match identify():
        case WebhookCaller(destination=found):
            return found
        case _:
            raise Unauthorized


def reader() -> Reader:
    """Returns the read scope of the caller for published resources.

    Raises Unauthorized for an unidentified caller and for a platform.
    """
    match identify():
        case ClientCaller(client=found, caller_kind=CallerKind.EHR):
            return Reader.ehr(found.id)
        case ClientCaller(client=found, caller_kind=CallerKind.PRACTICE):
            return Reader.practice(found.id)
        case AccountCaller():
            return Reader.internal()
        case _:
            raise Unauthorized


def _token_caller() -> ClientCaller | None:
    given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if given is None:
        return None
    with web_context().store.read() as uow:
        found = uow.clients.find_by_token_hash(token_hash(given[1]))
    return None if found is None or found.disabled else ClientCaller(found)


def _hook_caller() -> WebhookCaller | None:
    found = identify_webhook_sender(web_context().hook_secrets, web_context().clock(), MAX_BODY_BYTES)
    return None if found is None else WebhookCaller(found)


def _session_caller() -> AccountCaller | None:
    found = find_session(web_context(), request.cookies, web_context().clock())
    return None if found is None else AccountCaller(*found)


_IDENTIFIERS: Mapping[ApiSurface, Callable[[], Caller | None]] = {
    ApiSurface.PAGES: _session_caller,
    ApiSurface.HOOKS: _hook_caller,
}
