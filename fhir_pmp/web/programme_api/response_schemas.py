"""What a response looks like, coming in and going out."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.identifiers import InstrumentId, SourceId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedResponse, Fate, Receipt
from fhir_pmp.web.errors import as_json
from fhir_pmp.web.programme_api.enrolment_schemas import OUTCOMES
from fhir_pmp.web.programme_api.fields import (
    MESSAGES,
    OWN_ID,
    DayOrMoment,
    Object,
    PlainText,
    Several,
    StrictSchema,
    Table,
    WholeNumber,
    YesOrNo,
)
from fhir_pmp.web.programme_api.first_answers import Answer
from fhir_pmp.web.programme_api.refusals import of_response, told
from fhir_pmp.web.programme_api.schemas import FaultSchema

MOST_RESPONSES = 200
"""In one request: one transaction, which holds the database for well under a quarter of a second."""
MOST_ANSWERS = 100


class ResponseSchema(StrictSchema):
    """One filled instrument of one person at one timepoint. A blank item is left out; it is never a zero."""

    enrolment = PlainText(required=True, about="The platform's own id of the enrolment")
    instrument = PlainText(required=True, about="phq9, gad7, pcs, pseq, bpi_sf, …")
    timepoint = PlainText(required=True, about="screening, start, post or follow_up")
    answered_at = DayOrMoment(required=True, about="A whole date, or date and time with seconds and offset")
    answers = Table(
        keys=PlainText(),
        values=WholeNumber(),
        required=True,
        validate=validate.Length(max=MOST_ANSWERS, error=f"holds more than {MOST_ANSWERS}"),
        metadata={
            "description": "The item's linkId (phq9-1) and its value; codes for missing are no answers"
        },
    )
    amends = YesOrNo(
        load_default=False, metadata={"description": "True: these answers replace the earlier ones"}
    )


class NamedResponseSchema(ResponseSchema):
    """A response with the platform's own id of it."""

    response = PlainText(
        required=True,
        pattern=f"^{OWN_ID}$",
        about="The platform's own id of the response",
        validate=validate.Regexp(f"^{OWN_ID}$", error="is not an id as it may stand in an address"),
    )


class ResponsesSchema(StrictSchema):
    """Several responses; each stands or falls alone."""

    responses = Several(
        Object(NamedResponseSchema),
        required=True,
        validate=validate.Length(
            min=1, max=MOST_RESPONSES, error=f"holds none, or more than {MOST_RESPONSES}"
        ),
    )


class WithdrawalSchema(StrictSchema):
    """Why a response is withdrawn."""

    reason = PlainText(required=True, error_messages=MESSAGES)


class ResponseTakenSchema(Schema):
    """What became of a response."""

    response = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf([*OUTCOMES, "withdrawn"]))
    resource = fields.String(required=True, metadata={"description": "The QuestionnaireResponse it became"})
    version = fields.Integer(
        required=True, metadata={"description": "How often its content has changed: 1, 2, …"}
    )


class OneOfSeveralSchema(Schema):
    """What became of one of several: as for a single one, or why it was refused."""

    response = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"description": "As a single one is answered"})
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    resource = fields.String()
    version = fields.Integer()
    faults = fields.List(fields.Nested(FaultSchema))
    who_acts = fields.String()


class SeveralTakenSchema(Schema):
    """What became of each, in the order in which they were sent."""

    responses = fields.List(fields.Nested(OneOfSeveralSchema), required=True)


def arrived_response(
    source: SourceId, enrolments_of: SourceId, own_id: str, said: Mapping[str, Any]
) -> ArrivedResponse:
    """The response that the body states."""
    return ArrivedResponse(
        source=source,
        enrolments_of=enrolments_of,
        enrolment=said["enrolment"],
        response_id=own_id,
        instrument=InstrumentId(said["instrument"]),
        timepoint=TimepointId(said["timepoint"]),
        authored=said["answered_at"],
        amends=said["amends"],
        answers=said["answers"],
    )


def taken_response(own_id: str, receipt: Receipt, outcome: str | None = None) -> Answer:
    """What the platform is told of a response that was taken: 201 for a new one."""
    value = {
        "response": own_id,
        "outcome": outcome or receipt.fate.value,
        "resource": f"QuestionnaireResponse/{receipt.id}",
        "version": receipt.version,
    }
    return Answer.of(201 if receipt.fate is Fate.ACCEPTED else 200, value)


def refused_response(own_id: str, refusal: FhirPmpError) -> dict[str, object]:
    """What is told of one of several that was refused."""
    return {"response": own_id, **as_json(told(refusal, of_response))}
