"""PUT /programme/enrolments/{enrolment}/ending: an enrolment ended."""

from typing import Any

from flask import Response

from fhir_pmp.intake.arrivals import Ending
from fhir_pmp.intake.restating import record_ending
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, sent, source, takes
from fhir_pmp.web.programme_api.enrolment_schemas import EndingSchema, TakenSchema
from fhir_pmp.web.programme_api.first_answers import Said
from fhir_pmp.web.programme_api.saying_more import say_more
from fhir_pmp.web.programme_api.schemas import ErrorSchema


@address("PUT", "/enrolments/<own_id:enrolment>/ending")
@may(Visitor.PLATFORM)
@takes(EndingSchema)
@gives(200, TakenSchema, "The ending is recorded, or was before")
@also_gives(404, ErrorSchema, "No enrolment of this platform has that id")
@also_gives(
    409, ErrorSchema, "It cannot end so, or another ending is recorded; the moves that are listed are named"
)
def end_enrolment(said: dict[str, Any], enrolment: str) -> Response:
    """Record how and when an enrolment ended; a discharge letter falls due.

    Another day or reason is 409 unless `amends` is true; another way of ending always is.
    """
    here, whose = desk(), source()
    return say_more(
        whose,
        enrolment,
        Said.of(f"ending/{enrolment}", sent()),
        amends=said["amends"],
        record=lambda books, now: record_ending(
            books,
            here.clinic,
            here.publisher,
            whose,
            enrolment,
            Ending(said["how"]),
            on=said["on"],
            reason=said.get("reason"),
            amends=said["amends"],
            now=now,
        ),
    )
