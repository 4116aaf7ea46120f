"""Schemas of enrolments, lessons and endings, in requests and responses."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from fhir_pmp.identifiers import Identifier, SourceId
from fhir_pmp.intake.arrivals import (
    ArrivedEnrolment,
    ArrivedPractice,
    Ending,
    RecordingResult,
    RecordingStatus,
)
from fhir_pmp.pathway.facts import Episode, EpisodeState, Sex
from fhir_pmp.web.programme_api.field_types import (
    Choice,
    PlainText,
    StrictBoolean,
    StrictDate,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictSchema,
)
from fhir_pmp.web.programme_api.idempotent_replies import Reply
from fhir_pmp.web.programme_api.shared_schemas import IdentifierSchema

MAX_IDENTIFIERS = 20
_AMENDS = {"description": "True: this replaces what was recorded before under this id"}
_STATES = [state.value for state in EpisodeState]
RECORDING_STATUSES = [
    RecordingStatus.ACCEPTED.value,
    RecordingStatus.REPEATED.value,
    RecordingStatus.AMENDED.value,
]


class PersonSchema(StrictSchema):
    """The person who is enrolled."""

    given = PlainText(required=True)
    family = PlainText(required=True)
    birth_date = StrictDate(required=True)
    sex = Choice([sex.value for sex in Sex], load_default=Sex.UNKNOWN.value)
    identifiers = StrictList(
        StrictObject(IdentifierSchema),
        load_default=list,
        validate=validate.Length(max=MAX_IDENTIFIERS, error=f"holds more than {MAX_IDENTIFIERS}"),
        metadata={"description": "Identifiers that others assigned to the person, such as a Medicare number"},
    )


class PractitionerSchema(StrictSchema):
    """The GP that letters are addressed to."""

    identifier = StrictObject(IdentifierSchema, required=True)
    name = PlainText(required=True)


class PracticeSchema(StrictSchema):
    """The GP practice that letters go to, for a person without a referral."""

    identifier = StrictObject(IdentifierSchema, required=True)
    name = PlainText(required=True)
    practitioner = StrictObject(PractitionerSchema)


class EnrolmentSchema(StrictSchema):
    """One person's enrolment. Lessons and the ending have addresses of their own."""

    person = StrictObject(PersonSchema, required=True)
    share_with_ehr = StrictBoolean(
        load_default=False, metadata={"description": "Whether results may go to the EHR; absent means no"}
    )
    referral_number = PlainText(description="Our number of the GP's referral, as the person quotes it")
    enrolled_on = StrictDate()
    started_on = StrictDate(description="The first day of the programme")
    practice = StrictObject(PracticeSchema)
    amends = StrictBoolean(load_default=False, metadata=_AMENDS)


class LessonSchema(StrictSchema):
    """The completion of one lesson."""

    completed_on = StrictDate(required=True)
    amends = StrictBoolean(load_default=False, metadata=_AMENDS)


class EndingSchema(StrictSchema):
    """How and when the enrolment ended."""

    how = Choice([how.value for how in Ending], required=True)
    on = StrictDate(required=True)
    reason = PlainText(description="Why the person stopped or never started; clinicians read it")
    amends = StrictBoolean(load_default=False, metadata=_AMENDS)


class EnrolmentResultSchema(Schema):
    """The result of a request about an enrolment."""

    enrolment = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(RECORDING_STATUSES))
    person = fields.String(required=True, metadata={"description": "Our id of the person"})
    state = fields.String(required=True, validate=validate.OneOf(_STATES))
    in_doubt = fields.Boolean(
        required=True,
        metadata={
            "description": "True: a clinician must decide who this person is before anything is published"
        },
    )


class CompletedLessonSchema(Schema):
    """One completed lesson."""

    number = StrictInteger(required=True)
    completed_on = fields.String(required=True, metadata={"format": "date"})


class EnrolmentStatusSchema(Schema):
    """An enrolment as it is recorded now."""

    enrolment = fields.String(required=True)
    person = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(_STATES))
    in_doubt = fields.Boolean(required=True)
    share_with_ehr = fields.Boolean(required=True)
    referral_number = fields.String(required=True, allow_none=True)
    enrolled_on = fields.String(required=True, allow_none=True)
    started_on = fields.String(required=True, allow_none=True)
    ended_on = fields.String(required=True, allow_none=True)
    end_reason = fields.String(required=True, allow_none=True)
    lessons = fields.List(fields.Nested(CompletedLessonSchema), required=True)


def build_arrived_enrolment(
    source: SourceId, enrolment: str, body: Mapping[str, Any], known: Episode | None
) -> ArrivedEnrolment:
    """Returns the body as an arrived enrolment; lessons and ending stay as recorded."""
    person = body["person"]
    lessons = () if known is None else tuple((one.number, one.completed_on) for one in known.lessons)
    return ArrivedEnrolment(
        source=source,
        enrolment=enrolment,
        given=person["given"],
        family=person["family"],
        birth_date=person["birth_date"],
        sex=Sex(person["sex"]),
        identifiers=tuple(_identifier(one) for one in person["identifiers"]),
        referral_number=body.get("referral_number"),
        share_with_ehr=body["share_with_ehr"],
        enrolled_on=body.get("enrolled_on"),
        started_on=body.get("started_on"),
        lessons=lessons,
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=_practice(body["practice"]) if "practice" in body else None,
        amends=body["amends"],
    )


def build_enrolment_reply(result: RecordingResult, episode: Episode) -> Reply:
    """Returns the reply about a recorded enrolment: 201 for a new one, else 200."""
    value = {
        "enrolment": episode.enrolment,
        "outcome": result.status.value,
        "person": episode.person,
        "state": episode.state.value,
        "in_doubt": episode.doubtful,
    }
    return Reply.of(201 if result.status is RecordingStatus.ACCEPTED else 200, value)


def _identifier(body: Mapping[str, Any]) -> Identifier:
    return Identifier(body["system"], body["value"])


def _practice(body: Mapping[str, Any]) -> ArrivedPractice:
    doctor = body.get("practitioner")
    return ArrivedPractice(
        identifier=_identifier(body["identifier"]),
        name=body["name"],
        practitioner_identifier=_identifier(doctor["identifier"]) if doctor else None,
        practitioner_name=doctor["name"] if doctor else None,
    )
