"""Constants of the item model, chosen so that the cohort resembles the published study.

A person has a standard-normal trait per measure and timepoint. An item is answered by rounding
`centre + spread * trait + offset of the item + noise * chance` to the nearest value that is offered:
an ordinal model with evenly spaced thresholds. `centre`, `spread` and `centre_after` are solved by
`python -m demo.people.calibration` for a baseline mean, a baseline standard deviation and a mean after the
programme; everything else here is an assumption of this demonstration.
"""

from dataclasses import dataclass

TRAIT_CORRELATION = 0.75
"""Pre-post correlation of a person's trait: an assumption, since the study's abstract gives none. The scores themselves,
with the noise of each item, correlate at about 0.66 to 0.70 (`calibration` prints each)."""
SCREENING_CORRELATION = 0.85
"""Trait at screening with trait at start, days later: an assumption."""
FOLLOW_UP_CORRELATION = 0.85
"""Trait at follow-up with trait at post; the cohort keeps its change: both assumptions."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The item model of one scale; `offsets` has one entry for each item, in order."""

    lowest: int
    highest: int
    offsets: tuple[float, ...]
    noise: float
    distress: float
    """Loading of the trait on the factor that all measures share; negative where a high score is better."""
    centre: float
    spread: float
    centre_after: float


MEASURES: dict[str, Measure] = {
    "phq9": Measure(
        lowest=0,
        highest=3,
        # Sleep and tiredness score higher than restlessness; item 9's offset is solved, not chosen.
        offsets=(0.0, 0.0, 0.45, 0.5, 0.1, 0.0, 0.0, -0.5, -1.6471),
        noise=0.75,
        distress=0.8,
        centre=1.3821,
        spread=0.8509,
        centre_after=0.9149,
    ),
    "gad7": Measure(
        lowest=0,
        highest=3,
        offsets=(0.15, 0.1, 0.2, 0.1, -0.2, 0.15, -0.5),
        noise=0.65,
        distress=0.8,
        centre=1.2374,
        spread=0.9138,
        centre_after=0.8465,
    ),
    "pcs": Measure(
        lowest=0,
        highest=4,
        offsets=(0.3, 0.2, -0.3, 0.0, 0.1, -0.4, -0.5, 0.5, 0.2, 0.2, 0.4, -0.2, -0.5),
        noise=0.9,
        distress=0.7,
        centre=1.8223,
        spread=0.9591,
        centre_after=1.2459,
    ),
    "pseq": Measure(
        lowest=0,
        highest=6,
        offsets=(0.2, 0.4, 0.3, 0.0, -0.6, 0.1, -0.8, 0.1, 0.2, 0.1),
        noise=1.1,
        distress=-0.65,
        centre=2.4436,
        spread=1.3962,
        centre_after=3.1037,
    ),
    "severity": Measure(
        lowest=0,
        highest=10,
        offsets=(1.5, -1.5, 0.1, -0.1),
        noise=1.0,
        distress=0.5,
        centre=5.9345,
        spread=1.8535,
        centre_after=5.1496,
    ),
    "interference": Measure(
        lowest=0,
        highest=10,
        offsets=(0.6, 0.0, -0.5, 0.6, -0.9, 0.4, 0.5),
        noise=1.7,
        distress=0.7,
        centre=5.7583,
        spread=2.0486,
        centre_after=4.5824,
    ),
    "k10": Measure(
        lowest=1,
        highest=5,
        offsets=(0.9, 0.1, -0.4, 0.1, 0.1, -0.3, 0.1, 0.4, -0.4, -0.1),
        noise=0.8,
        distress=0.85,
        centre=2.6197,
        spread=0.8459,
        centre_after=2.6197,
    ),
}
