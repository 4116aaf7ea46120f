"""Judges the change of a score: points, percent, and one verdict for each named rule."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from fhir_pmp.instruments.bands import get_band_set
from fhir_pmp.instruments.definition import Better, ChangeKind, ChangeRule, Scale

BASELINE_ZERO = "baseline 0"
FOLLOW_UP_MISSING = "follow-up missing"
BASELINE_MISSING = "baseline missing"
SAME_BAND = "same band"

Z95 = Fraction(196, 100)
"""The two-sided 95% point of the normal distribution, as Jacobson and Truax 1991 use it."""


class Verdict(StrEnum):
    """The verdict of one rule on a change.

    A missing score gives `not_assessable`, never `unchanged`.
    """

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSENED = "worsened"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """The verdict of one rule; no rule overrides another (clinical.md 4.1)."""

    rule: ChangeRule
    verdict: Verdict
    grade: str | None = None  # the highest grade reached, for graded rules
    reason: str | None = None  # for people to read; no code branches on it


@dataclass(frozen=True, slots=True)
class PercentChange:
    """A change in percent, raw (post - pre) and as improvement; None with a reason."""

    raw: Fraction | None
    improvement: Fraction | None
    reason: str | None = None


def improvement(change: Fraction, better: Better) -> Fraction:
    """Returns the change with a sign that is positive if the person got better.

    `change` is post - pre.
    """
    return change if better is Better.HIGHER else -change


def percent_change(before: Fraction | None, after: Fraction | None, better: Better) -> PercentChange:
    """Computes the change in percent: 100 * (after - before) / before.

    A baseline of 0 has no percentage: neither 0 nor 100.
    """
    reason = _not_assessable(before, after) or (BASELINE_ZERO if before == 0 else None)
    if reason is not None or before is None or after is None:
        return PercentChange(None, None, reason)
    raw = 100 * (after - before) / before
    return PercentChange(raw, improvement(raw, better))


def judge(rule: ChangeRule, scale: Scale, before: Fraction | None, after: Fraction | None) -> RuleVerdict:
    """Returns the rule's verdict on two exact scores; None is a missing score.

    Deterioration uses the same test with the opposite sign (POLICY, clinical.md 4.2). Scores are fractions: in binary
    floating point, 12/7 - 5/7 is less than 1.
    """
    reason = _not_assessable(before, after)
    if reason is not None or before is None or after is None:
        return RuleVerdict(rule, Verdict.NOT_ASSESSABLE, reason=reason)
    return _JUDGES[rule.kind](rule, scale, before, after)


def judge_all(scale: Scale, before: Fraction | None, after: Fraction | None) -> tuple[RuleVerdict, ...]:
    """Returns one verdict for each change rule of the scale, in their order."""
    return tuple(judge(rule, scale, before, after) for rule in scale.changes)


def headline(scale: Scale) -> ChangeRule | None:
    """Returns the rule by which result lines count this scale; None if not counted."""
    return next((rule for rule in scale.changes if rule.rule.rule_id == scale.headline_rule), None)


def _not_assessable(before: Fraction | None, after: Fraction | None) -> str | None:
    if before is None:
        return BASELINE_MISSING
    return FOLLOW_UP_MISSING if after is None else None


def _judge_points(rule: ChangeRule, scale: Scale, before: Fraction, after: Fraction) -> RuleVerdict:
    improvement_points = improvement(after - before, scale.better)
    return RuleVerdict(
        rule,
        _verdict(
            improvement_points, enough=rule.points is not None and abs(improvement_points) >= rule.points
        ),
    )


def _judge_points_and_band(rule: ChangeRule, scale: Scale, before: Fraction, after: Fraction) -> RuleVerdict:
    by_points = _judge_points(rule, scale, before, after)
    bands = get_band_set(scale, rule.bands or "")
    if by_points.verdict is Verdict.UNCHANGED or bands.band_of(before) != bands.band_of(after):
        return by_points
    return RuleVerdict(rule, Verdict.UNCHANGED, reason=SAME_BAND)


def _judge_percent(rule: ChangeRule, scale: Scale, before: Fraction, after: Fraction) -> RuleVerdict:
    change = percent_change(before, after, scale.better)
    if change.improvement is None:
        return RuleVerdict(rule, Verdict.NOT_ASSESSABLE, reason=change.reason)
    size = abs(change.improvement)
    if rule.kind is ChangeKind.PERCENT:
        return RuleVerdict(
            rule, _verdict(change.improvement, enough=rule.percent is not None and size >= rule.percent)
        )
    reached = [grade for grade, least in rule.grades if size >= least]
    grade = reached[-1] if reached else None
    return RuleVerdict(rule, _verdict(change.improvement, enough=bool(reached)), grade)


def _judge_reliable(rule: ChangeRule, scale: Scale, before: Fraction, after: Fraction) -> RuleVerdict:
    improvement_points = improvement(after - before, scale.better)
    # |change| / (sqrt(2) * SEM) > 1.96, squared on both sides so that the comparison is exact.
    enough = rule.sem is not None and improvement_points**2 > 2 * (Z95 * rule.sem) ** 2
    return RuleVerdict(rule, _verdict(improvement_points, enough=enough))


def _verdict(improvement_points: Fraction, *, enough: bool) -> Verdict:
    if not enough:
        return Verdict.UNCHANGED
    return Verdict.IMPROVED if improvement_points > 0 else Verdict.WORSENED


_JUDGES: dict[ChangeKind, Callable[[ChangeRule, Scale, Fraction, Fraction], RuleVerdict]] = {
    ChangeKind.POINTS: _judge_points,
    ChangeKind.POINTS_AND_BAND: _judge_points_and_band,
    ChangeKind.PERCENT: _judge_percent,
    ChangeKind.PERCENT_GRADED: _judge_percent,
    ChangeKind.RELIABLE_SEM: _judge_reliable,
}
