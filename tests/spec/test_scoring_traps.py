"""The traps of scoring and judging, one test each, as far as instruments and groups fall into them.

Numbers 1 to 19 are those of the clinical reference; each expected value is worked beside its test.
"""

from fractions import Fraction

import pytest

from fhir_pmp.evaluation.statistics import (
    Proportion,
    mean_of_individual_percents,
    paired_effect,
    percent_change_of_means,
)
from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.change_rules import Verdict, improvement, judge_all, percent_change
from fhir_pmp.instruments.definition import Better
from fhir_pmp.instruments.reliable_change import classify
from fhir_pmp.instruments.scoring import AnswersNotUnderstood, check_answers, round_half_up
from fhir_pmp.instruments.terminology_codes import LOINC, find_item, find_option
from fhir_pmp.pathway.summary.safety_lines import is_alert
from tests.spec import shipped

PRE = [18, 12, 15, 9, 20, 14, 11, 16]
POST = [10, 9, 12, 8, 13, 6, 10, 11]


def test_01_a_rise_of_the_pseq_is_an_improvement() -> None:
    assert shipped.scale("pseq", "total").better is Better.HIGHER
    assert {
        scale.better
        for name in ("phq9", "gad7", "pcs", "bpi_sf")
        for scale in shipped.instrument(name).scales
    } == {Better.LOWER}
    assert improvement(Fraction(11), Better.HIGHER) == 11
    assert improvement(Fraction(-6), Better.LOWER) == 6


def test_02_zero_is_an_answer_absent_is_not_and_a_missing_code_is_neither() -> None:
    assert shipped.score_row("phq9", "total", "000000000").published == "0"
    assert shipped.score_row("phq9", "total", "---------").published is None
    for code in (-2, -4, -5, 99):
        with pytest.raises(AnswersNotUnderstood):
            check_answers(shipped.instrument("phq9"), {"phq9-1": code})


def test_03_from_a_baseline_of_0_there_is_no_percentage() -> None:
    for after in (0, 5):
        change = percent_change(Fraction(0), Fraction(after), Better.LOWER)
        assert (change.raw, change.improvement, change.reason) == (None, None, "baseline 0")


def test_04_prorate_then_round_half_up() -> None:
    assert [round_half_up(Fraction(text)) for text in ("12.5", "90/7", "13.5", "4.5")] == [13, 13, 14, 5]


def test_05_a_prorated_total_is_marked_and_a_missing_item_9_is_no_reassurance() -> None:
    (safety,) = shipped.instrument("phq9").safety_items
    score = shipped.score_row("phq9", "total", "00000000-")
    assert (score.published, score.prorated, score.blanks) == ("0", True, 1)
    assert not is_alert(safety, None)


def test_06_the_difficulty_item_is_not_in_the_sum() -> None:
    phq9 = shipped.instrument("phq9")
    only_difficulty = {LinkId("phq9-difficulty"): 3}
    (score,) = shipped.scorer("phq9")(only_difficulty)
    assert (score.answered, score.published) == (0, None)
    item = find_item(phq9, LOINC, "69722-7")
    assert item is not None
    very, extremely = (find_option(item, LOINC, code) for code in ("LA6575-0", "LA6574-3"))
    assert very is not None and extremely is not None and very.value < extremely.value


def test_07_both_codes_of_gad7_item_2_mean_2() -> None:
    item = find_item(shipped.instrument("gad7"), LOINC, "68509-9")
    assert item is not None
    options = [find_option(item, LOINC, code) for code in ("LA18938-3", "LA6570-1")]
    assert [option.value for option in options if option is not None] == [2, 2]


def test_08_doubled_dass_scores_meet_the_doubled_table() -> None:
    score = shipped.score_row("dass21", "anxiety", "1111100")  # raw 5, which a raw table calls mild
    assert (score.published, score.band) == ("10", "moderate")


def test_09_the_k10_counts_from_10() -> None:
    assert shipped.score_row("k10", "total", "1111111111").published == "10"
    assert shipped.scale("k10", "total").lowest == 10


def test_10_integer_bands_hold_decimals_without_gaps() -> None:
    assert shipped.band_label("bpi_sf", "interference", "eppoc", Fraction("4.99")) == "mild"
    assert shipped.band_label("bpi_sf", "interference", "eppoc", Fraction("6.86")) == "moderate"
    assert shipped.band_label("pseq", "total", "eppoc", Fraction("30.5")) == "moderate"


def test_11_eppoc_needs_points_and_another_band() -> None:
    assert shipped.verdicts("pseq", "total", 21, 29)["eppoc.pseq.change"] == "unchanged"
    assert shipped.verdicts("pseq", "total", 19, 26)["eppoc.pseq.change"] == "improved"


def test_12_the_30_percent_rule_reads_the_single_average_pain_item() -> None:
    assert shipped.scale("bpi_sf", "average_pain").items == ("bpi_sf-average",)
    assert "eppoc.bpi_average_pain.change" not in shipped.verdicts("bpi_sf", "severity", 8, 5)


def test_13_the_edges_of_the_pseq() -> None:
    labels = [shipped.band_label("pseq", "total", "eppoc", score) for score in (20, 30, 31, 40, 41)]
    assert labels == ["moderate", "moderate", "mild", "mild", "minimal"]


def test_14_percent_of_means_and_mean_of_percents_are_two_numbers() -> None:
    assert percent_change_of_means(PRE, POST) == pytest.approx(-31.3043, abs=5e-5)
    assert mean_of_individual_percents(PRE, POST) == pytest.approx(-29.1299, abs=5e-5)


def test_15_a_percentage_names_its_denominator() -> None:
    enrolled, commenced = Proportion(130, "enrolled", 1000), Proportion(548, "commenced", 870)
    assert (enrolled.percent, enrolled.denominator) == (13.0, "enrolled")
    assert commenced.percent == pytest.approx(62.9885, abs=5e-5)
    assert Proportion(0, "commenced", 0).percent is None


def test_16_a_missing_follow_up_is_not_known_and_not_no_change() -> None:
    scale = shipped.scale("phq9", "total")
    for before, after in ((Fraction(12), None), (None, Fraction(12))):
        assert {one.verdict for one in judge_all(scale, before, after)} == {Verdict.NOT_ASSESSABLE}
    effect = paired_effect([*PRE, 17, None], [*POST, None, 9])
    assert (effect.n_pairs, effect.n_pre, effect.n_post) == (8, 9, 9)


def test_17_answers_that_are_not_offered_are_rejected_and_never_clamped() -> None:
    for wrong in (4, -1, 1.5, 1.0, True, "1", None, [1]):
        with pytest.raises(AnswersNotUnderstood):
            check_answers(shipped.instrument("phq9"), {"phq9-1": wrong})


def test_18_a_code_for_24_hours_is_not_put_on_a_week() -> None:
    codings = [coding.code for scale in shipped.instrument("bpi_sf").scales for coding in scale.codings]
    assert "77565-0" not in codings


def test_19_who_is_below_the_cut_off_already_is_not_in_range_to_recover() -> None:
    # SD 6.0 and r .89 give SEM 1.99; 8 -> 1 is reliable (RCI -2.49), and 8 is below the cut-off of 10.
    found = classify(8, 1, 1.989975, 10, Better.LOWER)
    assert (found.category, found.in_range) == ("improved", False)
    assert classify(12, 20, 1, 15, Better.HIGHER).category == "recovered"
