"""Defines the facts that all folders share: people, episodes, referrals, responses and flags."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import msgspec

from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    FlagId,
    Identifier,
    InstrumentId,
    LinkId,
    PersonId,
    ReferralId,
    ResourceId,
    ResponseId,
    SourceId,
    TimepointId,
)
from fhir_pmp.instruments.definition import Answers


class Sex(StrEnum):
    """Administrative gender, with FHIR's four codes."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Moment(msgspec.Struct, frozen=True):
    """A date, or a date and time, as it was written.

    No time is invented for a date, and no zone is shifted.
    """

    text: str  # "2026-03-01" or "2026-03-01T10:11:12+11:00", as FHIR dateTime
    on: date  # the calendar day as written
    at: datetime | None  # aware; None where only a date is known


@dataclass(frozen=True, slots=True)
class Person:
    """A person; only the registering source or client may change name and birth date."""

    id: PersonId  # also the Patient's resource id
    given: str
    family: str
    birth_date: date
    sex: Sex
    identifiers: tuple[Identifier, ...]
    registered_by: str  # "source:redcap-wide" | "client:<id>"


@dataclass(frozen=True, slots=True)
class Practice:
    """A GP practice and the practitioner that receives its letters.

    A referral or a source names both.
    """

    organization_id: ResourceId
    organization_identifier: Identifier | None
    organization_name: str
    practitioner_id: ResourceId | None
    practitioner_identifier: Identifier | None
    practitioner_name: str | None


class EpisodeState(StrEnum):
    """The state of an episode (design.md section 5, first table)."""

    REFERRED = "referred"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    ENROLLED = "enrolled"
    COMMENCED = "commenced"
    FINISHED = "finished"
    STOPPED = "stopped"
    NEVER_STARTED = "never_started"


ENDED = frozenset(
    {
        EpisodeState.DECLINED,
        EpisodeState.CANCELLED,
        EpisodeState.FINISHED,
        EpisodeState.STOPPED,
        EpisodeState.NEVER_STARTED,
    }
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One completed lesson."""

    number: int
    completed_on: date


@dataclass(frozen=True, slots=True)
class Episode:
    """One person's run through the programme."""

    id: EpisodeId  # also the EpisodeOfCare's resource id
    person: PersonId
    state: EpisodeState
    referral: ReferralId | None
    source: SourceId | None
    enrolment: str | None  # the platform's own id of the enrolment
    share_with_ehr: bool  # consent; absent means no
    doubtful: bool  # the person's identity is undecided: recorded, scored and flagged, but not published
    referred_on: date | None
    enrolled_on: date | None
    started_on: date | None
    ended_on: date | None
    end_reason: str | None  # for people to read; no code branches on it
    lessons: tuple[Lesson, ...]
    practice: Practice | None  # where letters go


@dataclass(frozen=True, slots=True)
class Referral:
    """A GP's referral to the programme, with the ids of its ServiceRequest and Task."""

    id: ReferralId
    number: str  # our referral number, quoted by people and by enrolments
    client: ClientId
    episode: EpisodeId
    person: PersonId
    service_request_id: ResourceId
    task_id: ResourceId
    service_request_identifier: Identifier
    task_identifier: Identifier
    authored_on: date | None
    received_at: datetime
    reason: str | None


class ResponseStatus(StrEnum):
    """QuestionnaireResponse.status, as far as we use it."""

    COMPLETED = "completed"
    AMENDED = "amended"
    ENTERED_IN_ERROR = "entered-in-error"


class Response(msgspec.Struct, frozen=True):
    """One person's answers to one instrument at one timepoint, in the newest version.

    A msgspec struct: an import makes one for each row and reads back the person's earlier responses, and a frozen
    dataclass with this many fields takes twenty times as long to make.
    """

    id: ResponseId  # also the QuestionnaireResponse's resource id
    person: PersonId
    episode: EpisodeId
    instrument: InstrumentId
    instrument_version: str
    timepoint: TimepointId
    authored: Moment
    status: ResponseStatus
    version: int  # 1, 2, ... as published
    answers: Answers
    identifier: Identifier  # system of the source, value = its response id or the computed key
    source: SourceId


class Sharing(StrEnum):
    """Who may read a published resource: everybody, the referring practice, or by the person's consent."""

    DEFINITION = "definition"  # no person's data: definitions, our Organization, practitioners
    REFERRAL = "referral"  # readable by the practice that sent it, whatever the consent
    RECORD = "record"  # governed by the person's consent (share_with_ehr)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A clinician's action on a flag. Only an acknowledgement makes a flag inactive."""

    by: str  # the clinician's name
    at: datetime  # aware
    action: str  # the clinician's words


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag for a safety answer at or above its item's `flag_from`.

    It is raised when the response is recorded.
    """

    id: FlagId  # also the Flag's resource id
    person: PersonId
    episode: EpisodeId
    response: ResponseId
    instrument: InstrumentId
    timepoint: TimepointId
    item: LinkId
    answer: int  # as it was when the flag was raised; an amendment does not change it
    raised_at: datetime
    acknowledgement: Acknowledgement | None = None
