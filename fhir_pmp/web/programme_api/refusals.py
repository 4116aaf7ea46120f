"""A refusal as the platform is told it: by the names of its own fields."""

from collections.abc import Callable
from dataclasses import replace

from flask import Response

from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.web.error_responses import ErrorDescription, build_error_response, describe_error

FieldNaming = Callable[[str], str]
"""From the name of a recorded field to that of the body's field."""

_ENROLMENT = {
    **{name: f"person.{name}" for name in ("given", "family", "birth_date", "sex", "identifiers")},
    "ended_how": "how",
    "ended_on": "on",
    "end_reason": "reason",
}


def enrolment_field(field: str) -> str:
    """The field of an enrolment, a lesson or an ending."""
    if field.startswith("lesson_"):
        return "completed_on"
    return _ENROLMENT.get(field, field)


def response_field(field: str) -> str:
    """The field of a response: answers by their linkId, whatever instrument that belongs to."""
    if field == "authored":
        return "answered_at"
    return f"answers.{field}" if field == "?" or "-" in field else field


def describe_refusal(refusal: FhirPmpError, naming: FieldNaming) -> ErrorDescription:
    """What is told of the refusal."""
    description = describe_error(refusal)
    return replace(
        description, faults=tuple(Fault(naming(fault.field), fault.what) for fault in description.faults)
    )


def build_refusal_response(refusal: FhirPmpError, naming: FieldNaming) -> Response:
    """The refusal as an answer."""
    return build_error_response(describe_refusal(refusal, naming))
