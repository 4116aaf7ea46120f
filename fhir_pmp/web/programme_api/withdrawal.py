"""PUT /programme/responses/{response}/withdrawal: a response was entered in error."""

from typing import Any

from flask import Response

from fhir_pmp.errors import NotAllowed, NotFound
from fhir_pmp.identifiers import InstrumentId, TimepointId
from fhir_pmp.intake.withdrawals import withdraw_response
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.callers import client
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, own_source, takes
from fhir_pmp.web.programme_api.response_schemas import (
    ResponseTakenSchema,
    WithdrawalSchema,
    taken_response,
)
from fhir_pmp.web.programme_api.schemas import ErrorSchema


class ResponseUnknown(NotFound):
    """This platform has sent no response of that id."""


class WithdrawnOtherwise(NotAllowed):
    """It was withdrawn before, for another reason. A withdrawal stands as it is."""


@address("PUT", "/responses/<own_id:response>/withdrawal")
@may(Visitor.PLATFORM)
@takes(WithdrawalSchema)
@gives(200, ResponseTakenSchema, "The response is withdrawn, or was before")
@also_gives(404, ErrorSchema, "This platform has sent no response of that id")
@also_gives(409, ErrorSchema, "It was withdrawn before, for another reason")
def withdraw(said: dict[str, Any], response: str) -> Response:
    """Withdraw a response for good: it and what was computed from it become entered-in-error. New answers are a new response."""
    here, reason = desk(), said["reason"]
    with here.store.begin() as books:
        response_id = here.clinic.response_id(own_source(), response, "", InstrumentId(""), TimepointId(""))
        recorded = books.responses.find(response_id)
        if recorded is None:
            raise ResponseUnknown(field="response")
        note_persons([recorded.response.person])
        if recorded.withdrawn_reason not in (None, reason):
            raise WithdrawnOtherwise(field="reason")
        receipt = withdraw_response(
            books,
            here.clinic,
            here.publisher,
            response_id,
            reason=reason,
            by=f"client:{client().id}",
            now=here.clock(),
        )
    return taken_response(response, receipt, "withdrawn").response()
