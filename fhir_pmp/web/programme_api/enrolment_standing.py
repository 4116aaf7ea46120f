"""GET /programme/enrolments/{enrolment}: an enrolment as it is recorded now."""

from datetime import date

from flask import Response

from fhir_pmp.intake.restating import find_enrolment
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.programme_api.blueprint import address, also_gives, gives, json_answer, source
from fhir_pmp.web.programme_api.enrolment_schemas import EnrolmentStandsSchema
from fhir_pmp.web.programme_api.schemas import ErrorSchema


@address("GET", "/enrolments/<own_id:enrolment>")
@may(Visitor.PLATFORM)
@gives(200, EnrolmentStandsSchema, "The enrolment")
@also_gives(404, ErrorSchema, "No enrolment of this platform has that id")
def read_enrolment(enrolment: str) -> Response:
    """Read an enrolment: where the person stands, and our id of the person."""
    with desk().store.read() as books:
        episode = find_enrolment(books, source(), enrolment)
        referral = books.referrals.of_episodes([episode.id]).get(episode.id)
    note_persons([episode.person])
    return json_answer(
        {
            "enrolment": enrolment,
            "person": episode.person,
            "state": episode.state.value,
            "in_doubt": episode.doubtful,
            "share_with_ehr": episode.share_with_ehr,
            "referral_number": None if referral is None else referral.number,
            "enrolled_on": _day(episode.enrolled_on),
            "started_on": _day(episode.started_on),
            "ended_on": _day(episode.ended_on),
            "end_reason": episode.end_reason,
            "lessons": [
                {"number": lesson.number, "completed_on": _day(lesson.completed_on)}
                for lesson in episode.lessons
            ],
        }
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
