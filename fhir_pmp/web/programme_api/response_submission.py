"""Serves PUT /programme/responses/{response}: records one response to an instrument."""

from typing import Any

from flask import Response

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.programme_api.blueprint import accepts_body, also_returns, operation, raw_body, returns
from fhir_pmp.web.programme_api.idempotent_replies import Reply
from fhir_pmp.web.programme_api.refusals import build_refusal_response, response_field
from fhir_pmp.web.programme_api.response_schemas import ResponseResultSchema, ResponseSchema
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema
from fhir_pmp.web.programme_api.submitted_responses import SubmittedResponse, record_submitted_responses


@operation("PUT", "/responses/<own_id:response>")
@allow(CallerKind.PLATFORM)
@accepts_body(ResponseSchema)
@returns(201, ResponseResultSchema, "The response is recorded and scored")
@also_returns(200, ResponseResultSchema, "It was recorded before, or it amends what was recorded")
@also_returns(404, ErrorSchema, "No enrolment of this platform has that id")
@also_returns(
    409,
    ErrorSchema,
    "Other content is recorded under this id, or another response is recorded at this timepoint",
)
def respond(body: dict[str, Any], response: str) -> Response:
    """Send a response, under the platform's own id.

    A repeat is answered as it was the first time. Other content under the same id is 409 unless `amends` is true.
    """
    (reply,) = record_submitted_responses([SubmittedResponse(response, body, raw_body())])
    if isinstance(reply, Reply):
        return reply.to_response()
    return build_refusal_response(reply, response_field)
