"""Holds enrolments and responses as a platform submits them, before they are checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.identifiers import Identifier, InstrumentId, SourceId, TimepointId
from fhir_pmp.pathway.facts import Moment, Sex


class Ending(StrEnum):
    """How an enrolment ended, as a platform reports it."""

    FINISHED = "finished"
    STOPPED = "stopped"
    NEVER_STARTED = "never_started"


@dataclass(frozen=True, slots=True)
class ArrivedPractice:
    """The GP practice and practitioner that letters go to, as the platform names them."""

    identifier: Identifier
    name: str
    practitioner_identifier: Identifier | None
    practitioner_name: str | None


@dataclass(frozen=True, slots=True)
class ArrivedEnrolment:
    """One enrolment with everything that its platform now states about it.

    The newest submission counts.
    """

    source: SourceId
    enrolment: str
    given: str
    family: str
    birth_date: date
    sex: Sex
    identifiers: tuple[Identifier, ...]
    referral_number: str | None
    share_with_ehr: bool
    enrolled_on: date | None
    started_on: date | None
    lessons: tuple[tuple[int, date], ...]
    ended_on: date | None
    ended_how: Ending | None
    end_reason: str | None
    practice: ArrivedPractice | None
    amends: bool = True  # whether it replaces recorded data; the newest export always does


@dataclass(frozen=True, slots=True)
class ArrivedResponse:
    """One completed instrument of one person at one timepoint."""

    source: SourceId
    enrolments_of: SourceId  # the source whose enrolment ids it uses: itself or another
    enrolment: str
    response_id: str | None  # the platform's own id; None: ours follows from enrolment, instrument, timepoint
    instrument: InstrumentId
    timepoint: TimepointId
    authored: Moment
    amends: bool
    answers: Mapping[str, object]  # linkId -> value; blanks absent


class RecordingStatus(StrEnum):
    """The result of recording one submission. REPEATED is no error."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    AMENDED = "amended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The result of recording one submission; `id` is the id of our resource."""

    status: RecordingStatus
    id: str | None = None
    version: int | None = None
    refusal: FhirPmpError | None = None  # its faults name the fields, its class states who must act

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of a refused submission, else none."""
        return () if self.refusal is None else self.refusal.faults
