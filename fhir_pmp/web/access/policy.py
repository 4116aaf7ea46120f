"""Every view says who may call it; a view that does not say is closed."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

_POLICY_ATTRIBUTE = "__fhir_pmp_policy__"
_BY_ENDPOINT = "fhir_pmp_policies"

MAX_BODY_BYTES = 1_000_000
"""Bytes of any request body, unless the view's policy allows more."""


class CallerKind(StrEnum):
    """Who comes to one of the doors."""

    PLATFORM = "platform"  # a bearer token at /programme
    EHR = "ehr"  # a bearer token at /fhir, registered to read
    PRACTICE = "practice"  # a bearer token at /fhir, registered to refer
    MONITORING = "monitoring"  # a bearer token at /metrics and /health: counts and moments, nobody's data
    HOOK = "hook"  # an EHR at /hooks that says that something changed; it is told nothing
    CLINICIAN = "clinician"  # a session: signs and accepts
    ADMINISTRATOR = "administrator"  # a session: reads
    ANYONE = "anyone"  # nobody needs to be known; no person's data may be behind it


_WITHOUT_PERSONAL_DATA = frozenset({CallerKind.ANYONE, CallerKind.MONITORING})


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a view, what the audit calls it, and how large a body it takes."""

    callers: frozenset[CallerKind]
    action: str | None = None  # create, read, update, delete, query or execute; None: by the method
    max_body_bytes: int = MAX_BODY_BYTES  # bytes
    audited: bool = True  # only what holds nobody's data may say no: style sheets, a sign of life


def allow(
    *callers: CallerKind,
    action: str | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    audited: bool = True,
) -> Callable[[View], View]:
    """Marks a view, or one method of a MethodView, with who may call it.

    Place it under the route decorator; decorators that use functools.wraps keep the mark. Raises ValueError for a
    policy without visitors, and for one that leaves out the audit where somebody's data may be seen.
    """
    if not callers:
        raise ValueError("a policy names at least one visitor")
    policy = Policy(frozenset(callers), action, max_body_bytes, audited)
    if not audited and not policy.callers & _WITHOUT_PERSONAL_DATA:
        raise ValueError("only what is open to anyone, or to a watcher, may go without audit")

    def attach_policy(view: View) -> View:
        setattr(view, _POLICY_ATTRIBUTE, policy)
        return view

    return attach_policy


def set_endpoint_policy(app: Flask, endpoint: str, *callers: CallerKind, audited: bool = True) -> None:
    """Says who may call a view that a library registered and that cannot be decorated."""
    policies: dict[str, Policy] = app.extensions.setdefault(_BY_ENDPOINT, {})
    policies[endpoint] = Policy(frozenset(callers), audited=audited)


def find_policy(app: Flask, endpoint: str, method: str) -> Policy | None:
    """The policy of a route for one HTTP method; None: nobody may call it."""
    by_endpoint: dict[str, Policy] = app.extensions.get(_BY_ENDPOINT, {})
    if endpoint in by_endpoint:
        return by_endpoint[endpoint]
    view: Any = app.view_functions.get(endpoint)
    of_class = getattr(view, "view_class", None)
    if of_class is not None:
        own = getattr(of_class, method.lower(), None)
        view = getattr(of_class, "get", None) if own is None and method == "HEAD" else own
    found: Policy | None = getattr(view, _POLICY_ATTRIBUTE, None)
    return found


_ACTION_BY_METHOD = {
    "GET": "read",
    "HEAD": "read",
    "POST": "create",
    "PUT": "update",
    "PATCH": "update",
    "DELETE": "delete",
}


def audit_action(policy: Policy | None, method: str) -> str:
    """What the audit calls the request."""
    return (policy and policy.action) or _ACTION_BY_METHOD.get(method, "execute")
