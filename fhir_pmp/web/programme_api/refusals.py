"""A refusal as the platform is told it: by the names of its own fields."""

from collections.abc import Callable
from dataclasses import replace

from flask import Response

from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.web.errors import Told, answer, tell

Naming = Callable[[str], str]
"""From the name of a recorded field to that of the body's field."""

_ENROLMENT = {
    **{name: f"person.{name}" for name in ("given", "family", "birth_date", "sex", "identifiers")},
    "ended_how": "how",
    "ended_on": "on",
    "end_reason": "reason",
}


def of_enrolment(field: str) -> str:
    """The field of an enrolment, a lesson or an ending."""
    if field.startswith("lesson_"):
        return "completed_on"
    return _ENROLMENT.get(field, field)


def of_response(field: str) -> str:
    """The field of a response: answers by their linkId, whatever instrument that belongs to."""
    if field == "authored":
        return "answered_at"
    return f"answers.{field}" if field == "?" or "-" in field else field


def told(refusal: FhirPmpError, naming: Naming) -> Told:
    """What is told of the refusal."""
    said = tell(refusal)
    return replace(said, faults=tuple(Fault(naming(fault.field), fault.what) for fault in said.faults))


def refuse(refusal: FhirPmpError, naming: Naming) -> Response:
    """The refusal as an answer."""
    return answer(told(refusal, naming))
