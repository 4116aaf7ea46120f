"""Serves PUT /programme/enrolments/{enrolment}/lessons/{lesson}: records a completed lesson."""

from typing import Any

from flask import Response

from fhir_pmp.intake.enrolment.partial_updates import record_lesson
from fhir_pmp.pathway.facts import Lesson
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
from fhir_pmp.web.programme_api.enrolment_schemas import EnrolmentResultSchema, LessonSchema
from fhir_pmp.web.programme_api.idempotent_replies import RequestFingerprint
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


@operation("PUT", "/enrolments/<own_id:enrolment>/lessons/<lesson:lesson>")
@allow(CallerKind.PLATFORM)
@accepts_body(LessonSchema)
@returns(200, EnrolmentResultSchema, "The lesson is recorded, or was recorded before")
@also_returns(404, ErrorSchema, "No enrolment of this platform has that id")
@also_returns(409, ErrorSchema, "Another day is recorded for this lesson")
def complete_lesson(body: dict[str, Any], enrolment: str, lesson: int) -> Response:
    """Record that a lesson was completed.

    Another day for the same lesson is 409 unless `amends` is true.
    """
    context, source_id = web_context(), enrolment_source()
    return record_enrolment_event(
        source_id,
        enrolment,
        RequestFingerprint.of(f"lesson/{enrolment}/{lesson}", raw_body()),
        amends=body["amends"],
        record=lambda uow, now: record_lesson(
            uow,
            context.publishing,
            source_id,
            enrolment,
            Lesson(lesson, body["completed_on"]),
            amends=body["amends"],
            now=now,
        ),
    )
