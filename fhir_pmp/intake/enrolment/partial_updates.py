"""Records one lesson or the ending of a known enrolment; its other data stay unchanged."""

from dataclasses import replace
from datetime import date, datetime

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, Ending, RecordingResult
from fhir_pmp.intake.enrolment.enrolment_plans import ENDING_EVENTS
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.enrolment_lookup import find_enrolment
from fhir_pmp.pathway.episode_states import Actor, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState, Lesson, Person, Practice
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork


class LessonDiffers(NotAllowed):
    """Another day is recorded for this lesson. If this replaces it, the platform says that it amends."""


class EndingDiffers(NotAllowed):
    """Another day or reason of the ending is recorded. If this replaces it, the platform says that it amends."""


def record_lesson(
    uow: UnitOfWork,
    context: PublishingContext,
    source: SourceId,
    enrolment: str,
    lesson: Lesson,
    *,
    amends: bool,
    now: datetime,
) -> RecordingResult:
    """Records a completed lesson. Raises EnrolmentUnknown, LessonDiffers."""
    episode = find_enrolment(uow, source, enrolment)
    done = {one.number: one.completed_on for one in episode.lessons}
    if not amends and done.get(lesson.number, lesson.completed_on) != lesson.completed_on:
        raise LessonDiffers(field="completed_on")
    lessons = {**done, lesson.number: lesson.completed_on}
    stated = replace(restate_enrolment(uow, source, episode), lessons=tuple(sorted(lessons.items())))
    return record_enrolments(uow, context, [stated], now)[0]


def record_ending(
    uow: UnitOfWork,
    context: PublishingContext,
    source: SourceId,
    enrolment: str,
    how: Ending,
    *,
    on: date | None,
    reason: str | None,
    amends: bool,
    now: datetime,
) -> RecordingResult:
    """Records the end of an enrolment.

    Raises EnrolmentUnknown, MoveNotListed (it ended in another way), EndingDiffers.
    """
    episode = find_enrolment(uow, source, enrolment)
    if episode.state in ENDED:
        if episode.state is not EpisodeState(how.value):
            move(episode.state, ENDING_EVENTS[how], Actor.PLATFORM)
        recorded = (episode.ended_on, episode.end_reason)
        if not amends and (on or episode.ended_on, reason or episode.end_reason) != recorded:
            raise EndingDiffers(field="on" if on not in (None, episode.ended_on) else "reason")
    stated = replace(restate_enrolment(uow, source, episode), ended_how=how, ended_on=on, end_reason=reason)
    return record_enrolments(uow, context, [stated], now)[0]


def restate_enrolment(uow: UnitOfWork, source: SourceId, episode: Episode) -> ArrivedEnrolment:
    """The recorded data of an enrolment in the form that its platform submits."""
    person: Person = uow.people.get(episode.person)
    return ArrivedEnrolment(
        source=source,
        enrolment=episode.enrolment or "",
        given=person.given,
        family=person.family,
        birth_date=person.birth_date,
        sex=person.sex,
        identifiers=person.identifiers,
        referral_number=None,
        share_with_ehr=episode.share_with_ehr,
        enrolled_on=episode.enrolled_on,
        started_on=episode.started_on,
        lessons=tuple((lesson.number, lesson.completed_on) for lesson in episode.lessons),
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=None if episode.practice is None else _practice(episode.practice),
    )


def _practice(practice: Practice) -> ArrivedPractice | None:
    if practice.organization_identifier is None:
        return None  # it came with a referral, which alone may change it
    return ArrivedPractice(
        identifier=practice.organization_identifier,
        name=practice.organization_name,
        practitioner_identifier=practice.practitioner_identifier,
        practitioner_name=practice.practitioner_name,
    )
