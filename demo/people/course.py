"""Draws the dates of one person's course: enrolment, start, lessons and ending."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from demo.people.low_discrepancy import LowDiscrepancyShares
from demo.people.person import EndedHow
from demo.people.questionnaires import LESSONS, MAJORITY, WINDOWS

# Dear 2023 (Pain Med 24:1372): 13 % of those enrolled never start; 63 % of those who commenced finish all lessons, 75 % a majority.
_NEVER_START = 0.13
# The lessons reached by the other 25 %, and that the majority is four of five, are assumptions.
_LESSONS_DONE = ((5, 0.63), (MAJORITY, 0.75), (3, 0.83), (2, 0.92), (1, 1.0))

_ENROLLED_WITHIN = 365
_STOP_REASONS = (
    "Felt better and did not need the rest",
    "Too unwell to continue",
    "No time alongside work and family",
    "Prefers to see someone in person",
    "Waiting for surgery",
    "Trouble with the internet connection",
    "The course was not what was expected",
)
_NO_REASON_GIVEN = 0.15


@dataclass(frozen=True, slots=True)
class Course:
    """The dates of one person's course through the programme.

    None where an event has not happened by the day of the export.
    """

    referred_on: date
    enrolled_on: date
    started_on: date | None
    lessons_on: tuple[date, ...]
    ended_on: date | None
    ended_how: EndedHow | None
    stop_reason: str | None

    @property
    def majority_done(self) -> bool:
        """Whether a majority of the lessons is done: four or five."""
        return len(self.lessons_on) >= MAJORITY


def draw_course(shares: LowDiscrepancyShares, pair: int, rng: Random, *, today: date) -> Course:
    """Draws the whole course of a person of this pair, including dates in the future."""
    enrolled_on = today - timedelta(days=1 + int(shares.share("enrolled", pair) * _ENROLLED_WITHIN))
    referred_on = enrolled_on - timedelta(days=rng.randint(18, 40))
    if shares.share("starts", pair) < _NEVER_START:
        given_up = enrolled_on + timedelta(days=rng.randint(28, 42))
        return Course(referred_on, enrolled_on, None, (), given_up, "never_started", None)
    started_on = enrolled_on + timedelta(days=rng.randint(0, 10))
    drawn = shares.share("lessons", pair)
    lessons_on = _lesson_dates(started_on, next(done for done, up_to in _LESSONS_DONE if drawn < up_to), rng)
    if len(lessons_on) >= MAJORITY:
        # The course ends when the post window closes; answered post questionnaires end it earlier.
        closed = started_on + timedelta(days=WINDOWS["post"][1])
        return Course(referred_on, enrolled_on, started_on, lessons_on, closed, "finished", None)
    stopped_on = lessons_on[-1] + timedelta(days=rng.randint(7, 21))
    reason = None if rng.random() < _NO_REASON_GIVEN else rng.choice(_STOP_REASONS)
    return Course(referred_on, enrolled_on, started_on, lessons_on, stopped_on, "stopped", reason)


def _lesson_dates(started_on: date, done: int, rng: Random) -> tuple[date, ...]:
    """Draws one lesson every six to twelve days, so that five lessons fit the programme's eight weeks."""
    dates = [started_on]
    while len(dates) < min(done, LESSONS):
        dates.append(dates[-1] + timedelta(days=rng.randint(6, 12)))
    return tuple(dates)


def as_known_on(course: Course, last_day: date) -> Course:
    """Returns the course without events after `last_day`."""
    ended = course.ended_on is not None and course.ended_on <= last_day
    return replace(
        course,
        started_on=course.started_on if course.started_on and course.started_on <= last_day else None,
        lessons_on=tuple(done for done in course.lessons_on if done <= last_day),
        ended_on=course.ended_on if ended else None,
        ended_how=course.ended_how if ended else None,
        stop_reason=course.stop_reason if ended else None,
    )
