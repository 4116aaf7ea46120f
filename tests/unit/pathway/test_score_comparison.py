"""What two scores say beside each other: points, percent, direction in words, and a verdict per rule."""

from fractions import Fraction

import pytest

from fhir_pmp.instruments.change_rules import Verdict
from fhir_pmp.instruments.definition import Better, ChangeKind, ChangeRule, Method, RuleStatus, Scale
from fhir_pmp.pathway.score_comparison import ChangeDirection, compile_comparison
from tests.unit.pathway.examples import percent, points, rule, scale

LOWER = scale("mood", Better.LOWER, points("p", 2), percent("q", 30), headline="p", items=10)
HIGHER = scale("skill", Better.HIGHER, points("p", 2), headline="p", items=10)
MEAN = scale("mean", Better.LOWER, points("p", 1), headline="p", items=7, method=Method.MEAN)


@pytest.mark.parametrize(
    ("of", "before", "after", "words", "percent_words", "direction"),
    [
        (HIGHER, "19", "30", "rose by 11 points", "57.9%", ChangeDirection.BETTER),  # 11/19 = 57.89
        (HIGHER, "30", "19", "fell by 11 points", "36.7%", ChangeDirection.WORSE),  # 11/30 = 36.67
        (LOWER, "15", "7", "fell by 8 points", "53.3%", ChangeDirection.BETTER),
        (LOWER, "7", "15", "rose by 8 points", "114.3%", ChangeDirection.WORSE),
        (LOWER, "6", "5", "fell by 1 point", "16.7%", ChangeDirection.BETTER),
        (LOWER, "16", "7", "fell by 9 points", "56.3%", ChangeDirection.BETTER),  # 56.25, half up
        (LOWER, "7", "7", "stayed the same", "0.0%", ChangeDirection.SAME),
        (LOWER, "0", "0", "stayed the same", None, ChangeDirection.SAME),
        (LOWER, "0", "5", "rose by 5 points", None, ChangeDirection.WORSE),
        (MEAN, "41/7", "26/7", "fell by 2.14 points", "36.6%", ChangeDirection.BETTER),  # 15/7 = 2.1429
        (MEAN, "1", "0", "fell by 1.00 points", "100.0%", ChangeDirection.BETTER),
    ],
)
def test_a_change_is_told_in_plain_words(
    of: Scale, before: str, after: str, words: str, percent_words: str | None, direction: ChangeDirection
) -> None:
    comparison = compile_comparison(of)(Fraction(before), Fraction(after))
    assert (comparison.words, comparison.percent_words, comparison.direction) == (
        words,
        percent_words,
        direction,
    )
    assert comparison.points == Fraction(after) - Fraction(before)


def test_what_is_published_keeps_the_sign_of_post_minus_pre() -> None:
    comparison = compile_comparison(MEAN)(Fraction(41, 7), Fraction(26, 7))
    assert (comparison.points_text, comparison.percent_text) == ("-2.14", "-36.6")
    assert (comparison.points, comparison.percent) == (Fraction(-15, 7), Fraction(-1500, 41))


def test_from_a_baseline_of_zero_there_is_no_percentage() -> None:
    comparison = compile_comparison(LOWER)(Fraction(0), Fraction(5))
    assert comparison.percent is None
    assert comparison.percent_text is None
    by_points, by_percent = comparison.verdicts
    assert by_points.verdict is Verdict.WORSENED
    assert (by_percent.verdict, by_percent.reason) == (Verdict.NOT_ASSESSABLE, "baseline 0")


def test_each_rule_has_its_own_verdict_and_the_headline_is_one_of_them() -> None:
    comparison = compile_comparison(LOWER)(Fraction(10), Fraction(8))  # 2 points, 20 percent
    assert [v.verdict for v in comparison.verdicts] == [Verdict.IMPROVED, Verdict.UNCHANGED]
    assert comparison.headline == comparison.verdicts[0]


def test_a_scale_without_a_headline_rule_has_no_headline() -> None:
    comparison = compile_comparison(scale("mood", Better.LOWER, points("p", 2)))(Fraction(3), Fraction(1))
    assert comparison.headline is None
    assert len(comparison.verdicts) == 1


def test_verdicts_that_rest_on_an_unconfirmed_rule_or_band_bear_the_mark() -> None:
    by_band = ChangeRule(
        rule("b"), "2 points and band", ChangeKind.POINTS_AND_BAND, Fraction(2), bands="bands"
    )
    doubted = points("u", 1, RuleStatus.UNCONFIRMED)
    firm = scale("mood", Better.LOWER, points("p", 2), doubted, by_band, items=10)
    shaky = scale(
        "mood", Better.LOWER, points("p", 2), doubted, by_band, items=10, band_status=RuleStatus.UNCONFIRMED
    )
    before, after = Fraction(5), Fraction(1)
    assert compile_comparison(firm)(before, after).unconfirmed_rules == {"u"}
    assert [v.rule.rule.rule_id for v in compile_comparison(firm)(before, after).confirmed] == ["p", "b"]
    assert compile_comparison(shaky)(before, after).unconfirmed_rules == {"u", "b"}
    assert [v.rule.rule.rule_id for v in compile_comparison(shaky)(before, after).confirmed] == ["p"]


def test_an_equal_pair_is_judged_once() -> None:
    compare = compile_comparison(LOWER)
    assert compare(Fraction(10), Fraction(8)) is compare(Fraction(20, 2), Fraction(8))
