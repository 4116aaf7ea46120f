"""What an enrolment looks like, coming in and going out."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from fhir_pmp.identifiers import Identifier, SourceId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending, Fate, Receipt
from fhir_pmp.pathway.facts import Episode, EpisodeState, Sex
from fhir_pmp.web.programme_api.fields import (
    Choice,
    Day,
    Object,
    PlainText,
    Several,
    StrictSchema,
    WholeNumber,
    YesOrNo,
)
from fhir_pmp.web.programme_api.first_answers import Answer
from fhir_pmp.web.programme_api.schemas import IdentifierSchema

MOST_IDENTIFIERS = 20
_AMENDS = {"description": "True: this replaces what was said before under this id"}
_STATES = [state.value for state in EpisodeState]
OUTCOMES = [Fate.ACCEPTED.value, Fate.REPEATED.value, Fate.AMENDED.value]


class PersonSchema(StrictSchema):
    """Who is enrolled."""

    given = PlainText(required=True)
    family = PlainText(required=True)
    birth_date = Day(required=True)
    sex = Choice([sex.value for sex in Sex], load_default=Sex.UNKNOWN.value)
    identifiers = Several(
        Object(IdentifierSchema),
        load_default=list,
        validate=validate.Length(max=MOST_IDENTIFIERS, error=f"holds more than {MOST_IDENTIFIERS}"),
        metadata={"description": "Numbers by which others know the person, such as a Medicare number"},
    )


class PractitionerSchema(StrictSchema):
    """The GP a letter is addressed to."""

    identifier = Object(IdentifierSchema, required=True)
    name = PlainText(required=True)


class PracticeSchema(StrictSchema):
    """The GP practice that letters go to, of a person whom nobody referred."""

    identifier = Object(IdentifierSchema, required=True)
    name = PlainText(required=True)
    practitioner = Object(PractitionerSchema)


class EnrolmentSchema(StrictSchema):
    """One person's enrolment, whole. Lessons and the ending have addresses of their own."""

    person = Object(PersonSchema, required=True)
    share_with_ehr = YesOrNo(
        load_default=False, metadata={"description": "Whether results may go to the EHR; absent is no"}
    )
    referral_number = PlainText(about="Our number of the GP's referral, as the person quotes it")
    enrolled_on = Day()
    started_on = Day(about="The first day of the programme")
    practice = Object(PracticeSchema)
    amends = YesOrNo(load_default=False, metadata=_AMENDS)


class LessonSchema(StrictSchema):
    """One lesson that was completed."""

    completed_on = Day(required=True)
    amends = YesOrNo(load_default=False, metadata=_AMENDS)


class EndingSchema(StrictSchema):
    """How and when the enrolment ended."""

    how = Choice([how.value for how in Ending], required=True)
    on = Day(required=True)
    reason = PlainText(about="Why it was stopped, or never started; people read it")
    amends = YesOrNo(load_default=False, metadata=_AMENDS)


class TakenSchema(Schema):
    """What became of what was said of an enrolment."""

    enrolment = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    person = fields.String(required=True, metadata={"description": "Our id of the person"})
    state = fields.String(required=True, validate=validate.OneOf(_STATES))
    in_doubt = fields.Boolean(
        required=True,
        metadata={"description": "True: a clinician decides who this is before anything is passed on"},
    )


class LessonDoneSchema(Schema):
    """One completed lesson."""

    number = WholeNumber(required=True)
    completed_on = fields.String(required=True, metadata={"format": "date"})


class EnrolmentStandsSchema(Schema):
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
    lessons = fields.List(fields.Nested(LessonDoneSchema), required=True)


def arrived_enrolment(
    source: SourceId, enrolment: str, said: Mapping[str, Any], known: Episode | None
) -> ArrivedEnrolment:
    """The enrolment that the body states; lessons and ending stay as they are known."""
    person = said["person"]
    lessons = () if known is None else tuple((one.number, one.completed_on) for one in known.lessons)
    return ArrivedEnrolment(
        source=source,
        enrolment=enrolment,
        given=person["given"],
        family=person["family"],
        birth_date=person["birth_date"],
        sex=Sex(person["sex"]),
        identifiers=tuple(_identifier(one) for one in person["identifiers"]),
        referral_number=said.get("referral_number"),
        share_with_ehr=said["share_with_ehr"],
        enrolled_on=said.get("enrolled_on"),
        started_on=said.get("started_on"),
        lessons=lessons,
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=_practice(said["practice"]) if "practice" in said else None,
        amends=said["amends"],
    )


def taken_answer(receipt: Receipt, episode: Episode) -> Answer:
    """What the platform is told of an enrolment that was taken: 201 for a new one."""
    value = {
        "enrolment": episode.enrolment,
        "outcome": receipt.fate.value,
        "person": episode.person,
        "state": episode.state.value,
        "in_doubt": episode.doubtful,
    }
    return Answer.of(201 if receipt.fate is Fate.ACCEPTED else 200, value)


def _identifier(said: Mapping[str, Any]) -> Identifier:
    return Identifier(said["system"], said["value"])


def _practice(said: Mapping[str, Any]) -> ArrivedPractice:
    doctor = said.get("practitioner")
    return ArrivedPractice(
        identifier=_identifier(said["identifier"]),
        name=said["name"],
        practitioner_identifier=_identifier(doctor["identifier"]) if doctor else None,
        practitioner_name=doctor["name"] if doctor else None,
    )
