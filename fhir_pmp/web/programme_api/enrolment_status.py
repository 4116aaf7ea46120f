"""Serves GET /programme/enrolments/{enrolment}: an enrolment as it is recorded now."""

from datetime import date

from flask import Response

from fhir_pmp.intake.episode.enrolment_lookup import find_enrolment
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import (
    also_returns,
    build_json_response,
    enrolment_source,
    operation,
    returns,
)
from fhir_pmp.web.programme_api.enrolment_schemas import EnrolmentStatusSchema
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


@operation("GET", "/enrolments/<own_id:enrolment>")
@allow(CallerKind.PLATFORM)
@returns(200, EnrolmentStatusSchema, "The enrolment")
@also_returns(404, ErrorSchema, "No enrolment of this platform has that id")
def read_enrolment(enrolment: str) -> Response:
    """Read an enrolment: its state in the programme, and our id of the person."""
    with web_context().store.read() as uow:
        episode = find_enrolment(uow, enrolment_source(), enrolment)
        referral = uow.referrals.of_episodes([episode.id]).get(episode.id)
    note_persons([episode.person])
    return build_json_response(
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
