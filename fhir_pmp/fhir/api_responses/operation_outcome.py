"""Builds OperationOutcomes: issue type, path and description, never a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fhir_pmp.errors import Fault
from fhir_pmp.fhir.serialization.json_writer import write_canonical


class IssueType(StrEnum):
    """The codes of FHIR's issue-type that we use."""

    INVALID = "invalid"
    STRUCTURE = "structure"
    REQUIRED = "required"
    VALUE = "value"
    NOT_SUPPORTED = "not-supported"
    NOT_FOUND = "not-found"
    DELETED = "deleted"
    DUPLICATE = "duplicate"
    TOO_LONG = "too-long"
    BUSINESS_RULE = "business-rule"
    CONFLICT = "conflict"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    PROCESSING = "processing"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    EXCEPTION = "exception"
    INFORMATIONAL = "informational"


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue; `expression` is a path in the body that was sent."""

    code: IssueType
    diagnostics: str
    expression: str | None = None
    severity: str = "error"


def issues_of(faults: Iterable[Fault], code: IssueType) -> tuple[Issue, ...]:
    """Converts the faults of an error to issues of that type."""
    return tuple(Issue(code, fault.what, fault.field or None) for fault in faults)


def build_operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """Builds the OperationOutcome as a resource. Raises ValueError without an issue: FHIR requires one."""
    written_issues = [_issue(issue) for issue in issues]
    if not written_issues:
        raise ValueError("an OperationOutcome without an issue says nothing")
    return {"resourceType": "OperationOutcome", "issue": written_issues}


def write_operation_outcome(issues: Iterable[Issue]) -> bytes:
    """Returns the OperationOutcome as a body."""
    return write_canonical(build_operation_outcome(issues))


def _issue(issue: Issue) -> dict[str, Any]:
    written: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code.value,
        "diagnostics": issue.diagnostics,
    }
    return {**written, "expression": [issue.expression]} if issue.expression else written
