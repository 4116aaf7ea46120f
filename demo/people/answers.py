"""How one person fills in one instrument: an answer to each item, some of them left blank, some corrected later."""

from dataclasses import replace
from random import Random

from demo.people.measures import MEASURES, Measure
from demo.people.person import Instrument, Response, Timepoint
from demo.people.questionnaires import INTERFERENCE, ITEMS, SEVERITY
from demo.people.traits import Levels

Answers = dict[str, int | None]

# How many items a form leaves blank: assumptions, small, with some beyond what any blanks rule allows.
_ONE_BLANK, _TWO_BLANKS, _MANY_BLANKS = 0.035, 0.045, 0.055
_ITEM_9_BLANK = 0.012
_DIFFICULTY_BLANK = 0.03

_DIFFICULTY = (-0.3, 0.7)
"""Offset and chance of PHQ-9's difficulty item, which follows the same trait as the scored items: an assumption."""

# Dear 2023 (Pain Med 24:1372): 45 % very satisfied, 37 % satisfied. The split of the other 18 % is an assumption.
_SATISFACTION = ((5, 0.45), (4, 0.82), (3, 0.93), (2, 0.98), (1, 1.0))
_RECOMMENDS = {5: 0.98, 4: 0.93, 3: 0.55, 2: 0.15, 1: 0.05}


def _given(measure: Measure, centre: float, trait: float, rng: Random) -> list[int]:
    """An answer to each item of a measure: rounded to the nearest value offered."""
    lowest, highest, noise, gauss = measure.lowest, measure.highest, measure.noise, rng.gauss
    # Plus a half and cut: far cheaper than round(), and what is negative ends at the lowest value either way.
    location = centre + measure.spread * trait + 0.5
    return [
        min(highest, max(lowest, int(location + offset + gauss(0.0, noise)))) for offset in measure.offsets
    ]


def _scored(name: str, timepoint: Timepoint, levels: Levels, rng: Random) -> list[int]:
    measure = MEASURES[name]
    centre = measure.centre_after if timepoint in ("post", "follow_up") else measure.centre
    return _given(measure, centre, levels[name], rng)


def _pain(timepoint: Timepoint, levels: Levels, rng: Random) -> Answers:
    worst, least, average, now = _scored("severity", timepoint, levels, rng)
    # Put in their order, which leaves their mean as it was: nobody's least pain is worse than their worst.
    least, average, worst = sorted((worst, least, average))
    interference = _scored("interference", timepoint, levels, rng)
    return dict(zip((*SEVERITY, *INTERFERENCE), (worst, least, average, now, *interference), strict=True))


def _difficulty(timepoint: Timepoint, levels: Levels, rng: Random) -> int | None:
    phq9 = MEASURES["phq9"]
    offset, noise = _DIFFICULTY
    centre = phq9.centre_after if timepoint in ("post", "follow_up") else phq9.centre
    felt = int(centre + phq9.spread * levels["phq9"] + offset + rng.gauss(0, noise) + 0.5)
    return None if rng.random() < _DIFFICULTY_BLANK else min(3, max(0, felt))


def _leave_blanks(answers: Answers, scored: tuple[str, ...], rng: Random) -> None:
    drawn = rng.random()
    if drawn >= _MANY_BLANKS:
        return
    count = 1 if drawn < _ONE_BLANK else 2 if drawn < _TWO_BLANKS else rng.randint(3, 5)
    for item in rng.sample(scored, count):
        answers[item] = None


def answer_instrument(instrument: Instrument, timepoint: Timepoint, levels: Levels, rng: Random) -> Answers:
    """Answers to every item of a questionnaire that measures; a blank is None."""
    items = ITEMS[instrument]
    if instrument == "bpi_sf":
        answers = _pain(timepoint, levels, rng)
    else:
        answers = dict(zip(items, _scored(instrument, timepoint, levels, rng), strict=False))
    _leave_blanks(answers, tuple(answers), rng)
    if instrument == "phq9":
        if rng.random() < _ITEM_9_BLANK:
            answers["9"] = None
        answers["difficulty"] = _difficulty(timepoint, levels, rng)
    return answers


def rate_programme(share: float, rng: Random) -> Answers:
    """Satisfaction and whether the person would recommend the programme; `share` is a number from 0 up to 1."""
    satisfaction = next(value for value, up_to in _SATISFACTION if share < up_to)
    return {"satisfaction": satisfaction, "recommend": int(rng.random() < _RECOMMENDS[satisfaction])}


def rate_change(progress: float, rng: Random) -> Answers:
    """Patient Global Impression of Change: 1 is very much improved, 4 no change, 7 very much worse.

    `progress` is standard normal, high for those who got better; the average person feels minimally improved (an assumption).
    """
    return {"pgic": min(7, max(1, round(3.0 - 0.9 * progress + rng.gauss(0, 0.7))))}


def correct_response(response: Response, rng: Random) -> Response:
    """The same response with one or two answers corrected, as a later export brings it."""
    items = ITEMS[response.instrument]
    answers = dict(response.answers)
    for item in rng.sample(items, min(len(items), rng.randint(1, 2))):
        answers[item] = _another(response.instrument, item, answers[item], rng)
    return replace(response, answers=answers)


def _another(instrument: Instrument, item: str, answer: int | None, rng: Random) -> int:
    lowest, highest = offered(instrument, item)
    return rng.choice([value for value in range(lowest, highest + 1) if value != answer])


def offered(instrument: Instrument, item: str) -> tuple[int, int]:
    """The lowest and highest value that may be answered."""
    if instrument == "satisfaction":
        return (0, 1) if item == "recommend" else (1, 5)
    if instrument == "pgic":
        return 1, 7
    measure = MEASURES["severity" if instrument == "bpi_sf" else instrument]
    return measure.lowest, measure.highest
