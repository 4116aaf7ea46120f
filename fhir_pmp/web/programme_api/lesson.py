"""PUT /programme/enrolments/{enrolment}/lessons/{lesson}: a lesson was completed."""

from typing import Any

from flask import Response

from fhir_pmp.intake.restating import record_lesson
from fhir_pmp.pathway.facts import Lesson
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, sent, source, takes
from fhir_pmp.web.programme_api.enrolment_schemas import LessonSchema, TakenSchema
from fhir_pmp.web.programme_api.first_answers import Said
from fhir_pmp.web.programme_api.saying_more import say_more
from fhir_pmp.web.programme_api.schemas import ErrorSchema


@address("PUT", "/enrolments/<own_id:enrolment>/lessons/<lesson:lesson>")
@may(Visitor.PLATFORM)
@takes(LessonSchema)
@gives(200, TakenSchema, "The lesson is recorded, or was before")
@also_gives(404, ErrorSchema, "No enrolment of this platform has that id")
@also_gives(409, ErrorSchema, "Another day is recorded for this lesson")
def complete_lesson(said: dict[str, Any], enrolment: str, lesson: int) -> Response:
    """Record that a lesson was completed. Another day for the same lesson is 409 unless `amends` is true."""
    here, whose = desk(), source()
    return say_more(
        whose,
        enrolment,
        Said.of(f"lesson/{enrolment}/{lesson}", sent()),
        amends=said["amends"],
        record=lambda books, now: record_lesson(
            books,
            here.clinic,
            here.publisher,
            whose,
            enrolment,
            Lesson(lesson, said["completed_on"]),
            amends=said["amends"],
            now=now,
        ),
    )
