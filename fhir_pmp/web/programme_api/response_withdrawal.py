"""Serves PUT /programme/responses/{response}/withdrawal: withdraws a response entered in error."""

from typing import Any

from flask import Response

from fhir_pmp.errors import NotAllowed, NotFound
from fhir_pmp.identifiers import InstrumentId, TimepointId
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.callers import client
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import accepts_body, also_returns, operation, own_source, returns
from fhir_pmp.web.programme_api.response_schemas import (
    ResponseResultSchema,
    WithdrawalSchema,
    build_response_reply,
)
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


class ResponseUnknown(NotFound):
    """This platform has sent no response with that id."""


class WithdrawnForAnotherReason(NotAllowed):
    """The response was withdrawn before, for another reason. A withdrawal cannot be changed."""


@operation("PUT", "/responses/<own_id:response>/withdrawal")
@allow(CallerKind.PLATFORM)
@accepts_body(WithdrawalSchema)
@returns(200, ResponseResultSchema, "The response is withdrawn, or was withdrawn before")
@also_returns(404, ErrorSchema, "This platform has sent no response with that id")
@also_returns(409, ErrorSchema, "It was withdrawn before, for another reason")
def withdraw(body: dict[str, Any], response: str) -> Response:
    """Withdraw a response for good: it and the results computed from it become entered-in-error.

    Send new answers as a new response.
    """
    context, reason = web_context(), body["reason"]
    with context.store.begin() as uow:
        response_id = context.clinic.ids.response_id(
            own_source(), response, "", InstrumentId(""), TimepointId("")
        )
        recorded = uow.responses.find(response_id)
        if recorded is None:
            raise ResponseUnknown(field="response")
        note_persons([recorded.response.person])
        if recorded.withdrawn_reason not in (None, reason):
            raise WithdrawnForAnotherReason(field="reason")
        result = withdraw_response(
            uow,
            context.publishing,
            response_id,
            reason=reason,
            by=f"client:{client().id}",
            now=context.clock(),
        )
    return build_response_reply(response, result, "withdrawn").to_response()
