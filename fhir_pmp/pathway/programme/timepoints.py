"""Computes when timepoints are open and due, and why a result is absent."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.facts import ENDED, Episode, Moment
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.definition import Programme, Timepoint, TimepointRole


class OutsideWindow(NotUnderstood):
    """The moment lies outside the timepoint's window."""


class InTheFuture(NotUnderstood):
    """The moment lies in the future in the clinic's time zone."""


class BeforeEarliestDate(NotUnderstood):
    """The moment lies before 1850, so it must be a typing error. The sender corrects it."""


EARLIEST_DATE = date(1850, 1, 1)
"""Earlier dates are refused (policy): no living person has one, and windows near year 1 cannot be computed."""


class AbsenceKind(StrEnum):
    """The four reasons for an absent result."""

    NOT_OFFERED = "not_offered"
    NOT_YET_DUE = "not_yet_due"
    NOT_RECEIVED = "not_received"
    NOT_SCORABLE = "not_scorable"


@dataclass(frozen=True, slots=True)
class Absence:
    """The reason why there is no score.

    An absent score is neither a zero nor "no change".
    """

    kind: AbsenceKind
    due_on: date | None = None  # NOT_YET_DUE: None while the start is not known
    answered: int | None = None  # NOT_SCORABLE
    items: int | None = None

    @property
    def text(self) -> str:
        """The wording of this absence in letters and on pages."""
        if self.kind is AbsenceKind.NOT_YET_DUE:
            when = plain_date(self.due_on) if self.due_on else "dated once the programme starts"
            return f"not yet due ({when})"
        if self.kind is AbsenceKind.NOT_SCORABLE:
            return f"received and not scorable ({self.answered} of {self.items} answered)"
        return "not offered" if self.kind is AbsenceKind.NOT_OFFERED else "due and not received"


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which a timepoint's questionnaires may be answered, both included."""

    opens_on: date
    closes_on: date

    def holds(self, day: date) -> bool:
        """Whether the day lies in the window."""
        return self.opens_on <= day <= self.closes_on


def today(now: datetime, zone: ZoneInfo) -> date:
    """Returns the calendar day in the clinic's zone. `now` is aware."""
    return now.astimezone(zone).date()


def day_of(moment: Moment, zone: ZoneInfo) -> date:
    """Returns a moment's calendar day in the clinic's zone.

    A date without a time is never shifted.
    """
    return moment.on if moment.at is None else moment.at.astimezone(zone).date()


def window(timepoint: Timepoint, episode: Episode) -> Window | None:
    """Returns the timepoint's window in calendar days; None while the start is not known."""
    if episode.started_on is None:
        return None
    opens, closes = timedelta(days=timepoint.opens_day), timedelta(days=timepoint.closes_day)
    return Window(episode.started_on + opens, episode.started_on + closes)


def due_on(timepoint: Timepoint, episode: Episode) -> date | None:
    """Returns the day the timepoint's questionnaires are due; None while that is not known."""
    if timepoint.due_day is None:
        return episode.enrolled_on or episode.started_on
    return None if episode.started_on is None else episode.started_on + timedelta(days=timepoint.due_day)


def is_within_window(timepoint: Timepoint, episode: Episode, moment: Moment, zone: ZoneInfo) -> bool | None:
    """Whether the moment lies in the timepoint's window; None while the start is not known."""
    open_days = window(timepoint, episode)
    return None if open_days is None else open_days.holds(day_of(moment, zone))


def check_moment(
    programme: Programme, episode: Episode, timepoint: str, moment: Moment, now: datetime, zone: ZoneInfo
) -> None:
    """Refuses a moment in the future or outside the timepoint's window.

    While the start is not known, a timepoint that opens before the start is accepted; `is_within_window` decides
    once the start is known. Raises BeforeEarliestDate, InTheFuture, OutsideWindow, UnknownTimepoint.
    """
    point = programme.timepoint(timepoint)
    if moment.on < EARLIEST_DATE:
        raise BeforeEarliestDate(f"lies before {EARLIEST_DATE.year}", field="authored")
    if moment.at > now if moment.at is not None else moment.on > today(now, zone):
        raise InTheFuture("lies in the future", field="authored")
    open_days = window(point, episode)
    if open_days is None:
        if point.opens_day >= 0:
            raise OutsideWindow(f"{point.id} opens after the start, which is not known yet", field="authored")
    elif not open_days.holds(day_of(moment, zone)):
        days = f"day {point.opens_day} to day {point.closes_day} from the start"
        raise OutsideWindow(f"lies outside the window of {point.id} ({days})", field="authored")


def has_closed(timepoint: Timepoint, episode: Episode, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the timepoint's window has passed; False while the start is not known."""
    open_days = window(timepoint, episode)
    return open_days is not None and today(now, zone) > open_days.closes_on


def absence_of_response(
    timepoint: Timepoint, episode: Episode, instrument: InstrumentId, now: datetime, zone: ZoneInfo
) -> Absence:
    """Why the timepoint has no response to the instrument (the first three absences)."""
    if instrument not in timepoint.instruments:
        return Absence(AbsenceKind.NOT_OFFERED)
    due = due_on(timepoint, episode)
    if due is None or (episode.started_on is None and timepoint.role is not TimepointRole.SCREENING):
        # An episode that ended before its start will never have this response.
        ended = episode.state in ENDED
        return Absence(AbsenceKind.NOT_OFFERED if ended else AbsenceKind.NOT_YET_DUE)
    if today(now, zone) < due:
        return Absence(AbsenceKind.NOT_YET_DUE, due_on=due)
    return Absence(AbsenceKind.NOT_RECEIVED)


def absence_of_score(score: Score) -> Absence:
    """Why a received response has no score (the fourth absence)."""
    return Absence(AbsenceKind.NOT_SCORABLE, answered=score.answered, items=score.answered + score.blanks)


def next_due(
    programme: Programme, episode: Episode, now: datetime, zone: ZoneInfo
) -> tuple[Timepoint, date] | None:
    """Finds the next timepoint due after today, with its due day; else None."""
    for timepoint in programme.timepoints:
        due = due_on(timepoint, episode)
        if due is not None and due > today(now, zone):
            return timepoint, due
    return None
