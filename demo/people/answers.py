"""Draws one person's answers to an instrument, with blanks and later corrections."""

from dataclasses import replace
from random import Random

from demo.people.measures import MEASURES, Measure
from demo.people.person import Instrument, Response, Timepoint
from demo.people.questionnaires import INTERFERENCE, ITEMS, SEVERITY
from demo.people.traits import Levels

Answers = dict[str, int | None]

# Chances of one, two or more blank items, cumulative: assumptions, with some beyond any blanks rule.
_ONE_BLANK, _TWO_BLANKS, _MANY_BLANKS = 0.035, 0.045, 0.055
_ITEM_9_BLANK = 0.012
_DIFFICULTY_BLANK = 0.03

_DIFFICULTY = (-0.3, 0.7)
"""Offset and noise of PHQ-9's difficulty item, which follows the trait of the scored items: an assumption."""

# Dear 2023 (Pain Med 24:1372): 45 % very satisfied, 37 % satisfied. The split of the other 18 % is an assumption.
_SATISFACTION = ((5, 0.45), (4, 0.82), (3, 0.93), (2, 0.98), (1, 1.0))
_RECOMMENDS = {5: 0.98, 4: 0.93, 3: 0.55, 2: 0.15, 1: 0.05}


def _given(measure: Measure, centre: float, trait: float, rng: Random) -> list[int]:
    """Returns an answer to each item of a measure, rounded to the nearest permitted value."""
    lowest, highest, noise, gauss = measure.lowest, measure.highest, measure.noise, rng.gauss
    # Adding 0.5 and truncating is far cheaper than round(); a negative number ends at the lowest value either way.
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
    # Sorted, which leaves their mean unchanged: least pain is never worse than worst pain.
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
    """Returns the answers to every item of a scored questionnaire; a blank is None."""
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
    """Returns satisfaction and recommendation; `share` in [0, 1) decides the satisfaction."""
    satisfaction = next(value for value, up_to in _SATISFACTION if share < up_to)
    return {"satisfaction": satisfaction, "recommend": int(rng.random() < _RECOMMENDS[satisfaction])}


def rate_change(progress: float, rng: Random) -> Answers:
    """Returns the Patient Global Impression of Change, from 1 to 7.

    1 is very much improved, 4 no change, 7 very much worse. `progress` is standard normal, high for people who improved. The average person feels minimally improved (an
    assumption).
    """
    return {"pgic": min(7, max(1, round(3.0 - 0.9 * progress + rng.gauss(0, 0.7))))}


def correct_response(response: Response, rng: Random) -> Response:
    """Returns the response with one or two answers corrected, as in a later export."""
    items = ITEMS[response.instrument]
    answers = dict(response.answers)
    for item in rng.sample(items, min(len(items), rng.randint(1, 2))):
        answers[item] = _another(response.instrument, item, answers[item], rng)
    return replace(response, answers=answers)


def _another(instrument: Instrument, item: str, answer: int | None, rng: Random) -> int:
    lowest, highest = offered(instrument, item)
    return rng.choice([value for value in range(lowest, highest + 1) if value != answer])


def offered(instrument: Instrument, item: str) -> tuple[int, int]:
    """Returns the lowest and highest permitted answer."""
    if instrument == "satisfaction":
        return (0, 1) if item == "recommend" else (1, 5)
    if instrument == "pgic":
        return 1, 7
    measure = MEASURES["severity" if instrument == "bpi_sf" else instrument]
    return measure.lowest, measure.highest
