"""Converts episodes to and from rows of `episodes`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from fhir_pmp.identifiers import EpisodeId, Identifier, PersonId, ReferralId, ResourceId, SourceId
from fhir_pmp.pathway.facts import Episode, EpisodeState, Lesson, Practice

COLUMNS = (
    "id",
    "person",
    "state",
    "referral",
    "source",
    "enrolment",
    "share_with_ehr",
    "doubtful",
    "referred_on",
    "enrolled_on",
    "started_on",
    "ended_on",
    "end_reason",
    "organization_id",
    "organization_system",
    "organization_value",
    "organization_name",
    "practitioner_id",
    "practitioner_system",
    "practitioner_value",
    "practitioner_name",
)


def row_of(episode: Episode) -> tuple[Any, ...]:
    """The values of COLUMNS, as stored."""
    return (
        episode.id,
        episode.person,
        episode.state.value,
        episode.referral,
        episode.source,
        episode.enrolment,
        episode.share_with_ehr,
        episode.doubtful,
        _day(episode.referred_on),
        _day(episode.enrolled_on),
        _day(episode.started_on),
        _day(episode.ended_on),
        episode.end_reason,
        *_practice_row(episode.practice),
    )


def episode_of(row: sa.Row[Any], lessons: Sequence[Lesson]) -> Episode:
    """Converts a row to an episode."""
    return Episode(
        id=EpisodeId(row.id),
        person=PersonId(row.person),
        state=EpisodeState(row.state),
        referral=None if row.referral is None else ReferralId(row.referral),
        source=None if row.source is None else SourceId(row.source),
        enrolment=row.enrolment,
        share_with_ehr=row.share_with_ehr,
        doubtful=row.doubtful,
        referred_on=row.referred_on,
        enrolled_on=row.enrolled_on,
        started_on=row.started_on,
        ended_on=row.ended_on,
        end_reason=row.end_reason,
        lessons=tuple(lessons),
        practice=_practice_of(row),
    )


def _practice_row(practice: Practice | None) -> tuple[str | None, ...]:
    if practice is None:
        return (None,) * 8
    organization, practitioner = practice.organization_identifier, practice.practitioner_identifier
    return (
        practice.organization_id,
        organization.system if organization else None,
        organization.value if organization else None,
        practice.organization_name,
        practice.practitioner_id,
        practitioner.system if practitioner else None,
        practitioner.value if practitioner else None,
        practice.practitioner_name,
    )


def _practice_of(row: sa.Row[Any]) -> Practice | None:
    if row.organization_id is None:
        return None
    return Practice(
        organization_id=ResourceId(row.organization_id),
        organization_identifier=_identifier(row.organization_system, row.organization_value),
        organization_name=row.organization_name,
        practitioner_id=None if row.practitioner_id is None else ResourceId(row.practitioner_id),
        practitioner_identifier=_identifier(row.practitioner_system, row.practitioner_value),
        practitioner_name=row.practitioner_name,
    )


def _identifier(system: str | None, value: str | None) -> Identifier | None:
    return None if system is None or value is None else Identifier(system, value)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
