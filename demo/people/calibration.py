"""Solves the constants of `measures.py` from exact expectations of the item model, without sampling.

Run `python -m demo.people.calibration` in the project's folder and copy its output into `measures.py`.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from demo.people.measures import MEASURES, TRAIT_CORRELATION, Measure

ITEM_9_NON_ZERO = 0.25
"""Share of people whose PHQ-9 item 9 is not zero at baseline: the middle of the range that the demo documents."""


@dataclass(frozen=True, slots=True)
class Target:
    """The required mean and SD of a measure's score.

    `averaged`: the score is the mean of the items, not their sum.
    """

    mean: float
    sd: float
    mean_after: float
    averaged: bool = False


def published(
    mean: float, change: float, effect: float, *, rises: bool = False, averaged: bool = False
) -> Target:
    """Returns the target that reproduces the published change and effect (Dear 2023, Pain Med 24:1372).

    Both are improvements. The effect is standardised by the baseline SD, so the SD is implied: change * mean / effect. The mean is a free choice.
    """
    return Target(mean, mean * change / effect, mean * (1 + change if rises else 1 - change), averaged)


TARGETS: dict[str, Target] = {
    "interference": published(5.8, 0.189, 0.55, averaged=True),
    "phq9": published(12, 0.261, 0.50),
    "gad7": published(9, 0.239, 0.39),
    # The study's "pain intensity" is taken to be the mean of the four BPI severity items, not the single average-pain item.
    "severity": published(5.9, 0.128, 0.41, averaged=True),
    "pseq": published(25, 0.238, 0.46, rises=True),
    "pcs": published(24, 0.263, 0.56),
    # Asked at screening only; mean and SD are an assumption, in the "high" band of the Australian coding.
    "k10": Target(27, 8, 27),
}

_STEP = 0.1
_TRAITS = tuple(place * _STEP for place in range(-60, 61))
_WEIGHTS = tuple(math.exp(-trait * trait / 2) * _STEP / math.sqrt(2 * math.pi) for trait in _TRAITS)


def _at_least(value: int, location: float, noise: float) -> float:
    """Returns the probability of an answer of `value` or more.

    The rounding edge is half a point below `value`.
    """
    return 0.5 * math.erfc((value - 0.5 - location) / (noise * math.sqrt(2)))


def _item(measure: Measure, location: float) -> tuple[float, float]:
    """Returns mean and variance of one answer to an item at `location`."""
    mean, square = float(measure.lowest), float(measure.lowest**2)
    for value in range(measure.lowest + 1, measure.highest + 1):
        chance = _at_least(value, location, measure.noise)
        mean += chance
        square += chance * (2 * value - 1)
    return mean, square - mean * mean


def _given_trait(measure: Measure, centre: float, trait: float) -> tuple[float, float]:
    """Returns mean and variance of the item sum of a person with this trait."""
    items = [_item(measure, centre + measure.spread * trait + offset) for offset in measure.offsets]
    return sum(mean for mean, _ in items), sum(variance for _, variance in items)


def score_mean_and_sd(measure: Measure, centre: float, *, averaged: bool) -> tuple[float, float]:
    """Returns mean and standard deviation of the score over the cohort."""
    given = [_given_trait(measure, centre, trait) for trait in _TRAITS]
    mean = sum(weight * expected for weight, (expected, _) in zip(_WEIGHTS, given, strict=True))
    square = sum(
        weight * (expected**2 + chance) for weight, (expected, chance) in zip(_WEIGHTS, given, strict=True)
    )
    divisor = len(measure.offsets) if averaged else 1
    return mean / divisor, math.sqrt(square - mean * mean) / divisor


def score_correlation(measure: Measure) -> float:
    """Returns the pre-post correlation of the score that `TRAIT_CORRELATION` produces."""
    before = [_given_trait(measure, measure.centre, trait)[0] for trait in _TRAITS]
    rest = math.sqrt(1 - TRAIT_CORRELATION**2)
    after_at = {
        place: _given_trait(measure, measure.centre_after, place * _STEP)[0] for place in range(-90, 91)
    }
    product = mean_before = mean_after = 0.0
    for trait, weight, expected in zip(_TRAITS, _WEIGHTS, before, strict=True):
        shocks = zip(_TRAITS, _WEIGHTS, strict=True)
        after = sum(
            w * after_at[round((TRAIT_CORRELATION * trait + rest * shock) / _STEP)] for shock, w in shocks
        )
        product += weight * expected * after
        mean_before += weight * expected
        mean_after += weight * after
    sds = [
        score_mean_and_sd(measure, centre, averaged=False)[1]
        for centre in (measure.centre, measure.centre_after)
    ]
    return (product - mean_before * mean_after) / (sds[0] * sds[1])


def _solve(rising: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Solves rising(x) = target by the false position method (Illinois variant)."""
    at_low, at_high = rising(low) - target, rising(high) - target
    if at_low > 0 or at_high < 0:
        raise ArithmeticError("the target lies outside what this model can reach")
    middle = low
    for _ in range(100):
        middle = high - at_high * (high - low) / (at_high - at_low)
        at_middle = rising(middle) - target
        if abs(at_middle) < 1e-9:
            break
        if at_middle < 0:
            low, at_low, at_high = middle, at_middle, at_high / 2
        else:
            high, at_high, at_low = middle, at_middle, at_low / 2
    return middle


def _centre_for(measure: Measure, mean: float, *, averaged: bool) -> float:
    reach = measure.highest - measure.lowest

    def mean_at(centre: float) -> float:
        return score_mean_and_sd(measure, centre, averaged=averaged)[0]

    return _solve(mean_at, mean, measure.lowest - 2.0 * reach, measure.highest + 2.0 * reach)


def _fitted(measure: Measure, target: Target) -> Measure:
    def sd_at(spread: float) -> float:
        wider = replace(measure, spread=spread)
        centre = _centre_for(wider, target.mean, averaged=target.averaged)
        return score_mean_and_sd(wider, centre, averaged=target.averaged)[1]

    fitted = replace(measure, spread=_solve(sd_at, target.sd, 0.01, float(measure.highest - measure.lowest)))
    return replace(
        fitted,
        centre=_centre_for(fitted, target.mean, averaged=target.averaged),
        centre_after=_centre_for(fitted, target.mean_after, averaged=target.averaged),
    )


def item_9_non_zero(measure: Measure, offset: float) -> float:
    """Returns the share of people with a baseline answer above zero, given this offset."""
    locations = (measure.centre + measure.spread * trait + offset for trait in _TRAITS)
    return sum(
        weight * _at_least(1, location, measure.noise)
        for weight, location in zip(_WEIGHTS, locations, strict=True)
    )


def calibrated(name: str) -> Measure:
    """Solves a measure's constants for its target, with the offset of PHQ-9 item 9."""
    measure, target = MEASURES[name], TARGETS[name]
    if name != "phq9":
        return _fitted(measure, target)
    # Item 9's offset and the scale's constants depend on each other: solve them in turns until neither changes.
    for _ in range(20):
        fitted = _fitted(measure, target)
        item_9 = _solve(partial(item_9_non_zero, fitted), ITEM_9_NON_ZERO, -9.0, 9.0)
        if abs(item_9 - measure.offsets[8]) < 1e-6:
            break
        measure = replace(measure, offsets=(*measure.offsets[:8], item_9))
    return fitted


def main() -> None:
    """Print every measure's constants and the pre-post correlation of its score."""
    for name in MEASURES:
        found = calibrated(name)
        line = f"{name}: centre={found.centre:.4f}, spread={found.spread:.4f}, centre_after={found.centre_after:.4f}"
        item_9 = f", item 9 offset={found.offsets[8]:.4f}" if name == "phq9" else ""
        sys.stdout.write(f"{line}{item_9} (scores correlate at {score_correlation(found):.2f})\n")


if __name__ == "__main__":
    main()
