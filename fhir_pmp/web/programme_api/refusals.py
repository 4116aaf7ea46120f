"""Describes refusals to the platform, with the field names of its request bodies."""

from collections.abc import Callable
from dataclasses import replace

from flask import Response

from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.web.error_responses import ErrorDescription, build_error_response, describe_error

FieldNaming = Callable[[str], str]
"""Maps the name of a recorded field to the name of the body's field."""

_ENROLMENT = {
    **{name: f"person.{name}" for name in ("given", "family", "birth_date", "sex", "identifiers")},
    "ended_how": "how",
    "ended_on": "on",
    "end_reason": "reason",
}


def enrolment_field(field: str) -> str:
    """Returns the body's field name in an enrolment, a lesson or an ending."""
    if field.startswith("lesson_"):
        return "completed_on"
    return _ENROLMENT.get(field, field)


def response_field(field: str) -> str:
    """Returns the body's field name in a response; answers are named by their linkId."""
    if field == "authored":
        return "answered_at"
    return f"answers.{field}" if field == "?" or "-" in field else field


def describe_refusal(refusal: FhirPmpError, naming: FieldNaming) -> ErrorDescription:
    """Returns the description of a refusal with the body's field names."""
    description = describe_error(refusal)
    return replace(
        description, faults=tuple(Fault(naming(fault.field), fault.what) for fault in description.faults)
    )


def build_refusal_response(refusal: FhirPmpError, naming: FieldNaming) -> Response:
    """Returns the refusal as an HTTP response."""
    return build_error_response(describe_refusal(refusal, naming))
