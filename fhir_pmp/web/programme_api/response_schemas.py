"""Schemas of responses, batches and withdrawals, in requests and replies."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.identifiers import InstrumentId, SourceId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedResponse, RecordingResult, RecordingStatus
from fhir_pmp.web.error_responses import error_json
from fhir_pmp.web.programme_api.enrolment_schemas import RECORDING_STATUSES
from fhir_pmp.web.programme_api.field_types import (
    MESSAGES,
    PLATFORM_ID_PATTERN,
    DateOrDateTime,
    PlainText,
    StrictBoolean,
    StrictInteger,
    StrictList,
    StrictMapping,
    StrictObject,
    StrictSchema,
)
from fhir_pmp.web.programme_api.idempotent_replies import Reply
from fhir_pmp.web.programme_api.refusals import describe_refusal, response_field
from fhir_pmp.web.programme_api.shared_schemas import FaultSchema

MAX_RESPONSES = 200
"""Responses in one request: its one transaction holds the write lock for well under a quarter of a second."""
MAX_ANSWERS = 100


class ResponseSchema(StrictSchema):
    """One filled instrument of one person at one timepoint.

    A blank item is left out; it is never a zero.
    """

    enrolment = PlainText(required=True, description="The platform's own id of the enrolment")
    instrument = PlainText(required=True, description="phq9, gad7, pcs, pseq, bpi_sf, …")
    timepoint = PlainText(required=True, description="screening, start, post or follow_up")
    answered_at = DateOrDateTime(
        required=True, description="A whole date, or date and time with seconds and offset"
    )
    answers = StrictMapping(
        keys=PlainText(),
        values=StrictInteger(),
        required=True,
        validate=validate.Length(max=MAX_ANSWERS, error=f"holds more than {MAX_ANSWERS}"),
        metadata={
            "description": "The item's linkId (phq9-1) and its value; leave out items without an answer"
        },
    )
    amends = StrictBoolean(
        load_default=False, metadata={"description": "True: these answers replace the earlier ones"}
    )


class NamedResponseSchema(ResponseSchema):
    """A response together with the platform's own id of it."""

    response = PlainText(
        required=True,
        pattern=f"^{PLATFORM_ID_PATTERN}$",
        description="The platform's own id of the response",
        validate=validate.Regexp(
            f"^{PLATFORM_ID_PATTERN}$", error="is not an id that can be part of an address"
        ),
    )


class ResponsesSchema(StrictSchema):
    """Several responses; each is recorded or refused independently."""

    responses = StrictList(
        StrictObject(NamedResponseSchema),
        required=True,
        validate=validate.Length(min=1, max=MAX_RESPONSES, error=f"holds none, or more than {MAX_RESPONSES}"),
    )


class WithdrawalSchema(StrictSchema):
    """The reason for a withdrawal."""

    reason = PlainText(required=True, error_messages=MESSAGES)


class ResponseResultSchema(Schema):
    """The result of a request about a response."""

    response = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf([*RECORDING_STATUSES, "withdrawn"]))
    resource = fields.String(
        required=True, metadata={"description": "The QuestionnaireResponse that it became"}
    )
    version = fields.Integer(
        required=True, metadata={"description": "How often its content has changed: 1, 2, …"}
    )


class BatchEntrySchema(Schema):
    """The result of one response of a batch, or why it was refused."""

    response = fields.String(required=True)
    status = fields.Integer(
        required=True, metadata={"description": "The HTTP status that a single request would get"}
    )
    outcome = fields.String(validate=validate.OneOf(RECORDING_STATUSES))
    resource = fields.String()
    version = fields.Integer()
    faults = fields.List(fields.Nested(FaultSchema))
    who_acts = fields.String()


class BatchResultSchema(Schema):
    """The result of each response, in the order sent."""

    responses = fields.List(fields.Nested(BatchEntrySchema), required=True)


def build_arrived_response(
    source: SourceId, enrolments_of: SourceId, platform_id: str, body: Mapping[str, Any]
) -> ArrivedResponse:
    """Returns the body as an arrived response."""
    return ArrivedResponse(
        source=source,
        enrolments_of=enrolments_of,
        enrolment=body["enrolment"],
        response_id=platform_id,
        instrument=InstrumentId(body["instrument"]),
        timepoint=TimepointId(body["timepoint"]),
        authored=body["answered_at"],
        amends=body["amends"],
        answers=body["answers"],
    )


def build_response_reply(platform_id: str, result: RecordingResult, outcome: str | None = None) -> Reply:
    """Returns the reply about a recorded response: 201 for a new one, else 200."""
    value = {
        "response": platform_id,
        "outcome": outcome or result.status.value,
        "resource": f"QuestionnaireResponse/{result.id}",
        "version": result.version,
    }
    return Reply.of(201 if result.status is RecordingStatus.ACCEPTED else 200, value)


def build_refused_entry(platform_id: str, refusal: FhirPmpError) -> dict[str, object]:
    """Returns the batch entry of a refused response."""
    return {"response": platform_id, **error_json(describe_refusal(refusal, response_field))}
