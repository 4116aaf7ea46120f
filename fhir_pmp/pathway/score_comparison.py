"""Compares two exact scores of one scale: points, percent, direction and one verdict per rule."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from fhir_pmp.instruments.change_rules import RuleVerdict, improvement, judge_all, percent_change
from fhir_pmp.instruments.definition import ChangeKind, ChangeRule, RuleStatus, Scale
from fhir_pmp.instruments.scoring import decimal_text, published_text
from fhir_pmp.pathway.plain_words import points_words

MAX_CACHED_PAIRS = 20_000
"""Comparisons cached for each scale: more than any whole-number scale has, and a limit for means."""


class ChangeDirection(StrEnum):
    """Whether a change is better or worse by the scale's direction alone.

    It is not a verdict.
    """

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """The change between two exact scores of one scale; signs are post - pre."""

    points: Fraction
    points_text: str  # as published: "11", "-1.14" (two decimals for means)
    percent: Fraction | None  # of the baseline; None at baseline 0
    percent_text: str | None  # as published: "57.9", "-30.0"
    words: str  # "rose by 11 points", "stayed the same"
    percent_words: str | None  # "57.9%", without a sign: `words` gives the direction
    direction: ChangeDirection
    verdicts: tuple[RuleVerdict, ...]  # one per named rule, in the scale's order
    unconfirmed_rules: frozenset[str]  # rule_ids of the verdicts that rest on an UNCONFIRMED rule
    headline: RuleVerdict | None  # the verdict of the scale's headline rule

    @property
    def confirmed(self) -> tuple[RuleVerdict, ...]:
        """The verdicts that may be published: none of them rests on an UNCONFIRMED rule."""
        return tuple(v for v in self.verdicts if v.rule.rule.rule_id not in self.unconfirmed_rules)


CompareScores = Callable[[Fraction, Fraction], ScoreComparison]


def compile_comparison(scale: Scale) -> CompareScores:
    """Compiles a function that compares two scores of the scale; results are cached per pair."""
    unconfirmed = frozenset(rule.rule.rule_id for rule in scale.changes if _is_unconfirmed(rule, scale))

    # Whole numbers are the key because hashing a Fraction costs more than the look-up it would save.
    @lru_cache(maxsize=MAX_CACHED_PAIRS)
    def compare_cached(before_n: int, before_d: int, after_n: int, after_d: int) -> ScoreComparison:
        return _compare(scale, unconfirmed, Fraction(before_n, before_d), Fraction(after_n, after_d))

    def compare(before: Fraction, after: Fraction) -> ScoreComparison:
        return compare_cached(before.numerator, before.denominator, after.numerator, after.denominator)

    return compare


def _compare(scale: Scale, unconfirmed: frozenset[str], before: Fraction, after: Fraction) -> ScoreComparison:
    points = after - before
    percent = percent_change(before, after, scale.better).raw
    percent_text = None if percent is None else decimal_text(percent, 1)
    verdicts = judge_all(scale, before, after)
    return ScoreComparison(
        points=points,
        points_text=published_text(scale, points),
        percent=percent,
        percent_text=percent_text,
        words=points_words(scale, points),
        percent_words=None if percent_text is None else f"{percent_text.removeprefix('-')}%",
        direction=_direction(scale, points),
        verdicts=verdicts,
        unconfirmed_rules=unconfirmed,
        headline=next((v for v in verdicts if v.rule.rule.rule_id == scale.headline_rule), None),
    )


def _direction(scale: Scale, points: Fraction) -> ChangeDirection:
    if points == 0:
        return ChangeDirection.SAME
    return ChangeDirection.BETTER if improvement(points, scale.better) > 0 else ChangeDirection.WORSE


def _is_unconfirmed(rule: ChangeRule, scale: Scale) -> bool:
    if rule.rule.status is RuleStatus.UNCONFIRMED:
        return True
    # A rule that requires a change of band depends on the band rule as well.
    return rule.kind is ChangeKind.POINTS_AND_BAND and any(
        bands.id == rule.bands and bands.rule.status is RuleStatus.UNCONFIRMED for bands in scale.band_sets
    )
