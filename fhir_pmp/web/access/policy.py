"""Declares who may call each view; a view without a policy is closed."""

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
    """The kinds of callers, and how each is identified."""

    PLATFORM = "platform"  # a bearer token at /programme
    EHR = "ehr"  # a bearer token at /fhir, registered to read
    PRACTICE = "practice"  # a bearer token at /fhir, registered to refer
    MONITORING = "monitoring"  # a bearer token at /metrics and /health: counts and times, no personal data
    HOOK = "hook"  # an EHR at /hooks that reports a change; it reads nothing
    CLINICIAN = "clinician"  # a session: signs letters and decides
    ADMINISTRATOR = "administrator"  # a session: reads only
    ANYONE = "anyone"  # no authentication; the view may show no personal data


_WITHOUT_PERSONAL_DATA = frozenset({CallerKind.ANYONE, CallerKind.MONITORING})


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a view, its action in the audit, and its largest body."""

    callers: frozenset[CallerKind]
    action: str | None = None  # create, read, update, delete, query or execute; None: by the method
    max_body_bytes: int = MAX_BODY_BYTES  # bytes
    audited: bool = True  # False only without personal data: style sheets, liveness


def allow(
    *callers: CallerKind,
    action: str | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    audited: bool = True,
) -> Callable[[View], View]:
    """Attaches a policy to a view, or to one method of a MethodView.

    Place it under the route decorator; decorators that use functools.wraps keep the policy. Raises ValueError for a
    policy without callers, and for one without audit where personal data may be shown.
    """
    if not callers:
        raise ValueError("a policy names at least one kind of caller")
    policy = Policy(frozenset(callers), action, max_body_bytes, audited)
    if not audited and not policy.callers & _WITHOUT_PERSONAL_DATA:
        raise ValueError("only a view for anyone or for monitoring may go without audit")

    def attach_policy(view: View) -> View:
        setattr(view, _POLICY_ATTRIBUTE, policy)
        return view

    return attach_policy


def set_endpoint_policy(app: Flask, endpoint: str, *callers: CallerKind, audited: bool = True) -> None:
    """Sets the policy of a view that a library registered and that cannot be decorated."""
    policies: dict[str, Policy] = app.extensions.setdefault(_BY_ENDPOINT, {})
    policies[endpoint] = Policy(frozenset(callers), audited=audited)


def find_policy(app: Flask, endpoint: str, method: str) -> Policy | None:
    """Returns a route's policy for one HTTP method; None where the view is closed."""
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
    """Returns the action by which the audit names a request.

    It is create, read, update, delete, query or execute.
    """
    return (policy and policy.action) or _ACTION_BY_METHOD.get(method, "execute")
