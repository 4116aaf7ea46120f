"""Draws one person's trait for each measure and timepoint, as correlated standard normals."""

from dataclasses import dataclass
from math import sqrt
from random import Random

from demo.people.measures import FOLLOW_UP_CORRELATION, MEASURES, SCREENING_CORRELATION, TRAIT_CORRELATION
from demo.people.person import Timepoint

Levels = dict[str, float]
"""Standard-normal trait by measure."""


@dataclass(frozen=True, slots=True)
class Traits:
    """One person's traits; `progress` is standard normal, high for people who improved more than most."""

    progress: float
    levels: dict[Timepoint, Levels]


def _blend(shared: float, own: float, loading: float) -> float:
    return loading * shared + sqrt(1 - loading * loading) * own


def draw_traits(pair_rng: Random, sign: int, rng: Random) -> Traits:
    """Draws the traits at each timepoint, each correlated with the one before.

    Level and change at start and post come from the pair's generator, mirrored by `sign`; the rest from `rng`.
    """
    distress, progress = sign * pair_rng.gauss(0, 1), sign * pair_rng.gauss(0, 1)
    levels: dict[Timepoint, Levels] = {"screening": {}, "start": {}, "post": {}, "follow_up": {}}
    for name, measure in MEASURES.items():
        start = _blend(distress, sign * pair_rng.gauss(0, 1), measure.distress)
        moved = _blend(-progress, sign * pair_rng.gauss(0, 1), measure.distress)
        post = _blend(start, moved, TRAIT_CORRELATION)
        levels["screening"][name] = _blend(start, rng.gauss(0, 1), SCREENING_CORRELATION)
        levels["start"][name] = start
        levels["post"][name] = post
        levels["follow_up"][name] = _blend(post, rng.gauss(0, 1), FOLLOW_UP_CORRELATION)
    return Traits(progress, levels)
