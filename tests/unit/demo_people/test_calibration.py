"""The constants written down are those that the calibration finds: each score comes to its target, by exact expectation."""

import pytest

from demo.people.calibration import TARGETS, item_9_non_zero, score_correlation, score_mean_and_sd
from demo.people.measures import MEASURES, TRAIT_CORRELATION

# Worked in the reference from the published figures: baseline mean, SD = mean * p / g, mean after = mean * (1 -+ p).
WORKED = {
    "interference": (5.8, 1.99, 4.70),
    "phq9": (12, 6.26, 8.87),
    "gad7": (9, 5.52, 6.85),
    "severity": (5.9, 1.84, 5.14),
    "pseq": (25, 12.93, 30.95),
    "pcs": (24, 11.27, 17.69),
}


@pytest.mark.parametrize("name", WORKED)
def test_the_target_is_the_one_worked_from_the_published_figures(name: str) -> None:
    target = TARGETS[name]
    assert (target.mean, target.sd, target.mean_after) == pytest.approx(WORKED[name], abs=0.01)


@pytest.mark.parametrize("name", MEASURES)
def test_the_written_constants_meet_the_target(name: str) -> None:
    measure, target = MEASURES[name], TARGETS[name]
    mean, sd = score_mean_and_sd(measure, measure.centre, averaged=target.averaged)
    mean_after, _ = score_mean_and_sd(measure, measure.centre_after, averaged=target.averaged)
    assert mean == pytest.approx(target.mean, rel=1e-3)
    assert sd == pytest.approx(target.sd, rel=1e-3)
    assert mean_after == pytest.approx(target.mean_after, rel=1e-3)


def test_the_share_who_answer_item_9_with_more_than_zero_is_a_quarter() -> None:
    phq9 = MEASURES["phq9"]
    assert item_9_non_zero(phq9, phq9.offsets[8]) == pytest.approx(0.25, abs=1e-3)


def test_the_scores_correlate_less_than_the_traits_beneath_them() -> None:
    correlations = [score_correlation(MEASURES[name]) for name in WORKED]
    assert all(0.65 < correlation < TRAIT_CORRELATION for correlation in correlations)
