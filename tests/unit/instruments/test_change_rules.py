"""Changes: percentages with their reasons, verdicts with theirs, and the rule a letter counts by."""

from fractions import Fraction

from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict, headline, judge, judge_all, percent_change
from fhir_pmp.instruments.definition import Better, RuleStatus
from tests.spec import shipped


def test_a_percentage_that_cannot_be_told_says_why() -> None:
    assert percent_change(None, Fraction(3), Better.LOWER).reason == "baseline missing"
    assert percent_change(Fraction(3), None, Better.LOWER).reason == "follow-up missing"
    assert percent_change(Fraction(0), Fraction(3), Better.LOWER).reason == "baseline 0"
    assert percent_change(Fraction(10), Fraction(7), Better.LOWER).improvement == 30


def test_enough_points_within_a_band_say_that_it_is_the_same_band() -> None:
    scale = shipped.scale("pseq", "total")
    rule = scale.changes[0]
    assert judge(rule, scale, Fraction(21), Fraction(29)) == RuleVerdict(
        rule, Verdict.UNCHANGED, reason="same band"
    )
    assert judge(rule, scale, Fraction(21), Fraction(22)) == RuleVerdict(rule, Verdict.UNCHANGED)


def test_a_score_that_is_not_there_is_never_no_change() -> None:
    scale = shipped.scale("phq9", "total")
    found = judge_all(scale, Fraction(12), None)
    assert [one.verdict for one in found] == [Verdict.NOT_ASSESSABLE] * len(scale.changes)
    assert {one.reason for one in found} == {"follow-up missing"}


def test_every_measure_counts_by_a_rule_that_is_confirmed_or_is_not_counted() -> None:
    counted = {
        f"{instrument.id}.{scale.id}": rule.rule.rule_id
        for instrument in shipped.shipped().values()
        for scale in instrument.scales
        if (rule := headline(scale)) is not None
    }
    assert counted == {
        "bpi_sf.interference": "eppoc.bpi_interference.change",
        "bpi_sf.average_pain": "eppoc.bpi_average_pain.change",
        "gad7.total": "iapt.gad7.reliable_change",
        "k10.total": "measurely.k10.reliable_change",
        "pcs.total": "suzuki.pcs.important_change",
        "peg.total": "reed.peg.important_change_high",
        "phq9.total": "iapt.phq9.reliable_change",
        "pseq.total": "eppoc.pseq.change",
        "tsk11.total": "woby.tsk11.important_change",
    }
    for instrument in shipped.shipped().values():
        for scale in instrument.scales:
            rule = headline(scale)
            assert rule is None or rule.rule.status is not RuleStatus.UNCONFIRMED


def test_an_item_offers_whole_numbers_and_nothing_that_only_equals_one() -> None:
    item = shipped.instrument("phq9").items[0]
    assert item.offers(0) and item.offers(3)
    assert not any(item.offers(value) for value in (4, -1, True, 1.0, "1", None))
