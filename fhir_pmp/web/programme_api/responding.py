"""PUT /programme/responses/{response}: one filled instrument."""

from typing import Any

from flask import Response

from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, sent, takes
from fhir_pmp.web.programme_api.first_answers import Answer
from fhir_pmp.web.programme_api.recording import Sent, record_sent
from fhir_pmp.web.programme_api.refusals import of_response, refuse
from fhir_pmp.web.programme_api.response_schemas import ResponseSchema, ResponseTakenSchema
from fhir_pmp.web.programme_api.schemas import ErrorSchema


@address("PUT", "/responses/<own_id:response>")
@may(Visitor.PLATFORM)
@takes(ResponseSchema)
@gives(201, ResponseTakenSchema, "The response is recorded and scored")
@also_gives(200, ResponseTakenSchema, "It was said before, or it amends what was")
@also_gives(404, ErrorSchema, "No enrolment of this platform has that id")
@also_gives(
    409, ErrorSchema, "Other content is recorded under this id, or another response stands at this timepoint"
)
def respond(said: dict[str, Any], response: str) -> Response:
    """Hand over a response, under the platform's own id.

    The same again is answered as it was the first time. Other content under the same id is 409 unless `amends` is true.
    """
    (came_to,) = record_sent([Sent(response, said, sent())])
    if isinstance(came_to, Answer):
        return came_to.response()
    return refuse(came_to, of_response)
