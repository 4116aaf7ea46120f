"""Draws which questionnaires one person answers and when, including missing and corrected ones."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from random import Random

from demo.people.answers import answer_instrument, correct_response, rate_change, rate_programme
from demo.people.course import Course
from demo.people.person import Instrument, Response, Timepoint
from demo.people.questionnaires import ASKED_AT, LESSONS
from demo.people.traits import Traits

# People answer from Queensland, which keeps one offset all year; between 7 and 22 it is the same day all over Australia.
_OFFSET = timezone(timedelta(hours=10))

# Missing responses are independent of the answers: assumptions, because the study's abstract gives no figures.
_ANSWER_SCREENING = 0.95
_ANSWER_START = 0.96
_ANSWER_POST = {5: 0.92, 4: 0.80, 3: 0.45, 2: 0.40, 1: 0.35}
_ANSWER_FOLLOW_UP, _ANSWER_FOLLOW_UP_WITHOUT_POST = 0.78, 0.22
_INSTRUMENT_SKIPPED = 0.02
_SOMETHING_AMENDED = 0.06


@dataclass(frozen=True, slots=True)
class AnsweringBehaviour:
    """The values that decide how one person answers: traits, and two numbers in [0, 1)."""

    traits: Traits
    answers_post: float
    satisfied: float


class _ResponseCollector:
    """Collects one person's responses over the timepoints."""

    def __init__(self, behaviour: AnsweringBehaviour, rng: Random, *, record_id: str, last_day: date) -> None:
        self._behaviour, self._rng = behaviour, rng
        self._record_id, self._last_day = record_id, last_day
        self.responses: list[Response] = []

    def answer(self, timepoint: Timepoint, day: date) -> None:
        """Add responses to the timepoint's instruments in order, unless `day` is after the last day."""
        if day > self._last_day:
            return
        moment = datetime.combine(day, time(7), _OFFSET) + timedelta(seconds=self._rng.randrange(14 * 3600))
        for instrument in ASKED_AT[timepoint]:
            if self._rng.random() >= _INSTRUMENT_SKIPPED:
                self.responses.append(self._response(timepoint, instrument, moment))
            moment += timedelta(seconds=self._rng.randint(40, 300))

    def _response(self, timepoint: Timepoint, instrument: Instrument, moment: datetime) -> Response:
        if instrument == "satisfaction":
            answers = rate_programme(self._behaviour.satisfied, self._rng)
        elif instrument == "pgic":
            answers = rate_change(self._behaviour.traits.progress, self._rng)
        else:
            answers = answer_instrument(
                instrument, timepoint, self._behaviour.traits.levels[timepoint], self._rng
            )
        return Response(f"{self._record_id}-{timepoint}-{instrument}", timepoint, instrument, moment, answers)


def draw_responses(
    behaviour: AnsweringBehaviour, rng: Random, *, record_id: str, course: Course, last_day: date
) -> tuple[Response, ...]:
    """Return the responses of one person up to `last_day`, in order of time.

    `course` is the whole course, including the future.
    """
    collector = _ResponseCollector(behaviour, rng, record_id=record_id, last_day=last_day)
    # A person who never started was at least screened; a few of those who started were not.
    if course.started_on is None or rng.random() < _ANSWER_SCREENING:
        collector.answer("screening", course.enrolled_on - timedelta(days=rng.randint(1, 14)))
    if course.started_on is None:
        return tuple(collector.responses)
    started_on = course.started_on
    if rng.random() < _ANSWER_START:
        # Not before they were enrolled, which may have been on the very day they started.
        collector.answer("start", max(course.enrolled_on, started_on + timedelta(days=rng.randint(-2, 3))))
    answered_post = behaviour.answers_post < _ANSWER_POST[min(LESSONS, len(course.lessons_on))]
    if answered_post:
        collector.answer("post", started_on + timedelta(days=round(rng.triangular(49, 74, 56))))
    if rng.random() < (_ANSWER_FOLLOW_UP if answered_post else _ANSWER_FOLLOW_UP_WITHOUT_POST):
        collector.answer("follow_up", started_on + timedelta(days=round(rng.triangular(133, 179, 147))))
    return tuple(collector.responses)


def draw_amended(responses: tuple[Response, ...], rng: Random) -> tuple[Response, ...]:
    """Return the corrected copy of one response for a few people, else an empty tuple."""
    if not responses or rng.random() >= _SOMETHING_AMENDED:
        return ()
    return (correct_response(rng.choice(responses), rng),)
