"""Group statistics: what is undefined is None, never 0 or infinity, and people are paired with themselves."""

import pytest

from fhir_pmp.evaluation.statistics import (
    improvement_sign,
    independent_effect,
    mean_of_individual_percents,
    paired_effect,
    percent_change_of_means,
    read_study_figures,
    standardised_mean_change,
)
from fhir_pmp.instruments.definition import Better


def test_nobody_has_no_effect_size() -> None:
    effect = paired_effect([], [])
    assert (effect.n_pairs, effect.mean_pre, effect.d_baseline, effect.percent_change_of_means) == (
        0,
        None,
        None,
        None,
    )


def test_one_person_has_means_and_no_effect_size() -> None:
    effect = paired_effect([10], [8])
    assert (effect.mean_pre, effect.mean_post, effect.sd_pre, effect.j, effect.d_z, effect.g_baseline) == (
        10,
        8,
        None,
        None,
        None,
        None,
    )
    assert effect.interval_g_baseline is None


def test_two_pairs_have_d_and_no_correction() -> None:
    effect = paired_effect([10, 12], [8, 9])
    assert effect.d_baseline == pytest.approx(-2.5 / 2**0.5)  # difference -2.5; SD of 10 and 12 is sqrt(2)
    assert effect.j is None and effect.g_baseline is None


def test_no_spread_before_leaves_the_baseline_effect_undefined() -> None:
    effect = paired_effect([10, 10, 10], [8, 9, 7])
    assert (effect.d_baseline, effect.r, effect.d_rm) == (None, None, None)
    assert effect.d_z == pytest.approx(-2)  # differences -2, -1, -3: mean -2, SD 1


def test_the_lists_must_be_of_the_same_people() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_effect([1, 2], [1])


def test_a_study_of_one_person_or_without_spread_has_no_standardised_change() -> None:
    assert standardised_mean_change(10, 8, 2, 1, 0.5) is None
    assert standardised_mean_change(10, 8, 0, 20, 0.5) is None


def test_groups_of_one_have_no_pooled_spread() -> None:
    assert independent_effect([1], [2, 3]).d is None
    assert independent_effect([], [2, 3]).d is None
    assert independent_effect([1, 1], [2, 2]).d is None


def test_percentages_of_nothing_are_undefined() -> None:
    assert percent_change_of_means([], []) is None
    assert percent_change_of_means([0, 0], [1, 2]) is None
    assert mean_of_individual_percents([0], [3]) is None
    assert mean_of_individual_percents([0, 10], [3, 5]) == -50


def test_direction_decides_what_is_an_improvement() -> None:
    assert improvement_sign(-1.0, Better.LOWER) == 1.0
    assert improvement_sign(-1.0, Better.HIGHER) == -1.0
    assert improvement_sign(None, Better.LOWER) is None
    assert not read_study_figures(-5.0, -0.1, Better.LOWER).improved
