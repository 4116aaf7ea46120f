"""Generates the cohort: a seed, a day and a number always give the same person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random

from demo.people.course import Course, as_known_on, draw_course
from demo.people.identity import draw_birth_date, draw_medicare_number, draw_name, draw_sex
from demo.people.low_discrepancy import LowDiscrepancyShares, antithetic_pair
from demo.people.person import Person, Response
from demo.people.practices import PRACTICES
from demo.people.responses import AnsweringBehaviour, draw_amended, draw_responses
from demo.people.traits import draw_traits

_REFERRED = 0.26
# Cumulative shares of consent at enrolment: assumptions of this demonstration.
_SHARES, _DOES_NOT_SHARE = 0.88, 0.96


def cohort(size: int, *, seed: int, today: date) -> Iterator[Person]:
    """Yield `size` synthetic people, enrolled over the year before `today`.

    No date is `today` or later: the export was made that morning. People who enrolled lately are still in the programme.
    The same seed and day give the same people; a larger cohort begins with the people of a smaller one.
    """
    shares = LowDiscrepancyShares(seed)
    for number in range(size):
        pair, sign = antithetic_pair(number)
        rng = Random(f"{seed}/person/{number}")
        behaviour = AnsweringBehaviour(
            traits=draw_traits(Random(f"{seed}/pair/{pair}"), sign, rng),
            answers_post=shares.share("answers_post", pair),
            satisfied=shares.share("satisfied", number),
        )
        course = draw_course(shares, pair, rng, today=today)
        referred = shares.share("referred", number) < _REFERRED
        yield _person(number, rng, behaviour, course, referred=referred, last_day=today - timedelta(days=1))


def _person(
    number: int, rng: Random, behaviour: AnsweringBehaviour, course: Course, *, referred: bool, last_day: date
) -> Person:
    record_id = f"PMP-{number + 1:06d}"
    sex = draw_sex(rng)
    given_name, family_name = draw_name(rng, sex)
    birth_date = draw_birth_date(rng, course.enrolled_on)
    medicare_number = draw_medicare_number(rng, number)
    practice = rng.choice(PRACTICES)
    practitioner = rng.choice(practice.practitioners)
    consent = rng.random()
    responses = draw_responses(behaviour, rng, record_id=record_id, course=course, last_day=last_day)
    known = as_known_on(_ended_by_post(course, responses), last_day)
    return Person(
        referred=referred,
        referral_number=None,
        record_id=record_id,
        given_name=given_name,
        family_name=family_name,
        birth_date=birth_date,
        sex=sex,
        medicare_number=medicare_number,
        share_with_ehr=True if consent < _SHARES else False if consent < _DOES_NOT_SHARE else None,
        practice=practice,
        practitioner=practitioner,
        referred_on=known.referred_on,
        enrolled_on=known.enrolled_on,
        started_on=known.started_on,
        lessons_on=known.lessons_on,
        ended_on=known.ended_on,
        ended_how=known.ended_how,
        stop_reason=known.stop_reason,
        responses=responses,
        amended=draw_amended(responses, rng),
    )


def _ended_by_post(course: Course, responses: tuple[Response, ...]) -> Course:
    """Ends a finished course on the day its post questionnaires were answered."""
    if course.ended_how != "finished":
        return course
    post = [response.answered_at.date() for response in responses if response.timepoint == "post"]
    return replace(course, ended_on=max(post)) if post else course
