"""Writes one audit row for each request, committed before the response is sent.

Where the row cannot be written the caller gets 503 and none of the data.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from flask import Response, current_app, g, request

from fhir_pmp.errors import TryLater
from fhir_pmp.identifiers import PersonId
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.policy import audit_action, find_policy
from fhir_pmp.web.context import web_context
from fhir_pmp.web.error_responses import build_error_response, describe_error
from fhir_pmp.web.request_ids import request_id

ANONYMOUS = "anonymous"
"""The audit's `who` for a caller that is not identified."""


@dataclass(slots=True)
class AccessedData:
    """The resources and persons that a request has shown or changed so far."""

    resources: dict[str, None] = field(default_factory=dict)  # "Type/id/_history/n", each once, in order
    persons: dict[PersonId, None] = field(default_factory=dict)
    who: str | None = None


def note_resources(references: Iterable[str]) -> None:
    """Notes for the audit each resource version in the response, as "Type/id/_history/n"."""
    _accessed_data().resources.update(dict.fromkeys(references))


def note_persons(persons: Iterable[PersonId]) -> None:
    """Notes for the audit each person that the response is about or the request changed."""
    _accessed_data().persons.update(dict.fromkeys(persons))


def note_caller(name: str) -> None:
    """Notes, for the audit, the caller that a login or logout itself identified."""
    _accessed_data().who = name


def write_audit(response: Response) -> Response:
    """Commits the request's audit row and returns the response; 503 where the commit fails."""
    policy = find_policy(current_app, request.endpoint, request.method) if request.endpoint else None
    if policy is not None and not policy.audited:
        return response
    caller, accessed = identify(), _accessed_data()
    if caller is None and request.endpoint is None:
        return response  # an unknown address and an unidentified caller: no data was shown
    row = AuditRow(
        at=web_context().clock(),
        who=accessed.who or (caller.name if caller else ANONYMOUS),
        route=str(request.url_rule or "none"),
        action=audit_action(policy, request.method),
        outcome=str(response.status_code),
        request_id=request_id(),
        resources=tuple(accessed.resources),
        persons=tuple(accessed.persons),
    )
    try:
        web_context().audit.write(row)
    except Exception as error:  # noqa: BLE001 - no access without an audit row, whatever the cause
        structlog.get_logger().error("audit not written", reference=request_id(), error=type(error).__name__)
        return build_error_response(
            describe_error(TryLater("the access could not be written down, so it was not given"))
        )
    return response


def _accessed_data() -> AccessedData:
    if "accessed" not in g:
        g.accessed = AccessedData()
    found: AccessedData = g.accessed
    return found
