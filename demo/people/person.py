"""Data classes of synthetic people, their practices and their responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Sex = Literal["female", "male", "other", "unknown"]
EndedHow = Literal["finished", "stopped", "never_started"]
Timepoint = Literal["screening", "start", "post", "follow_up"]
Instrument = Literal["phq9", "gad7", "k10", "pcs", "pseq", "bpi_sf", "satisfaction", "pgic"]


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A synthetic GP. The system of `provider_id` is `practices.PROVIDER_SYSTEM`."""

    provider_id: str
    given_name: str
    family_name: str

    @property
    def name(self) -> str:
        """The name as exports write it, title first."""
        return f"Dr {self.given_name} {self.family_name}"


@dataclass(frozen=True, slots=True)
class Practice:
    """A synthetic GP practice. The system of `identifier` is `practices.PRACTICE_SYSTEM`."""

    identifier: str
    name: str
    practitioners: tuple[Practitioner, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """One completed instrument. A blank answer is None."""

    response_id: str
    timepoint: Timepoint
    instrument: Instrument
    answered_at: datetime
    """Aware, in the person's own offset; the wide export keeps its date only."""
    answers: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic person as the programme's platform knows them on the day of the export."""

    referred: bool
    """Whether a GP referred this person; `gp_bundle` builds the referral."""
    referral_number: str | None
    """Set by the caller with `dataclasses.replace` once the service has answered the referral."""
    record_id: str
    given_name: str
    family_name: str
    birth_date: date
    sex: Sex
    medicare_number: str | None
    """11 digits: card number with its check digit, issue number, and the person's own number on the card."""
    share_with_ehr: bool | None
    """None: never asked, or not answered."""
    practice: Practice
    practitioner: Practitioner
    referred_on: date
    """The date of the GP's referral; meaningless unless `referred`."""
    enrolled_on: date
    started_on: date | None
    lessons_on: tuple[date, ...]
    """The date of each lesson done, in order; the first is the day the person started."""
    ended_on: date | None
    ended_how: EndedHow | None
    stop_reason: str | None
    """Why a person who stopped early did so; None when they gave no reason."""
    responses: tuple[Response, ...]
    """In order of time, as first exported."""
    amended: tuple[Response, ...]
    """Corrected copies (same `response_id`) in a later export."""
