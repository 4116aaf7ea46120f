"""Serves PUT /programme/enrolments/{enrolment}/ending: records how an enrolment ended."""

from typing import Any

from flask import Response

from fhir_pmp.intake.arrivals import Ending
from fhir_pmp.intake.enrolment.partial_updates import record_ending
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import (
    accepts_body,
    also_returns,
    enrolment_source,
    operation,
    raw_body,
    returns,
)
from fhir_pmp.web.programme_api.enrolment_events import record_enrolment_event
from fhir_pmp.web.programme_api.enrolment_schemas import EndingSchema, EnrolmentResultSchema
from fhir_pmp.web.programme_api.idempotent_replies import RequestFingerprint
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


@operation("PUT", "/enrolments/<own_id:enrolment>/ending")
@allow(CallerKind.PLATFORM)
@accepts_body(EndingSchema)
@returns(200, EnrolmentResultSchema, "The ending is recorded, or was recorded before")
@also_returns(404, ErrorSchema, "No enrolment of this platform has that id")
@also_returns(
    409,
    ErrorSchema,
    "It cannot end in this way, or another ending is recorded; the message names the possible moves",
)
def end_enrolment(body: dict[str, Any], enrolment: str) -> Response:
    """Record how and when an enrolment ended; a discharge letter falls due.

    Another day or reason is 409 unless `amends` is true. Another way of ending is always 409.
    """
    context, source_id = web_context(), enrolment_source()
    return record_enrolment_event(
        source_id,
        enrolment,
        RequestFingerprint.of(f"ending/{enrolment}", raw_body()),
        amends=body["amends"],
        record=lambda uow, now: record_ending(
            uow,
            context.publishing,
            source_id,
            enrolment,
            Ending(body["how"]),
            on=body["on"],
            reason=body.get("reason"),
            amends=body["amends"],
            now=now,
        ),
    )
