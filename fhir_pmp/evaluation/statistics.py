"""Computes effect sizes, percentages and denominators of groups (clinical.md 1.2, 4.7, 4.8, 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, sqrt
from statistics import StatisticsError, correlation, mean, stdev

from fhir_pmp.instruments.definition import Better

Z95 = 1.96


@dataclass(frozen=True, slots=True)
class PairedEffect:
    """Effect sizes of people measured twice, signed as post - pre; None if not defined.

    d is the difference of means divided by one of: the SD of the differences (`z`); the pooled SD of both times (`av`);
    as `z`, corrected for the correlation (`rm`); the SD before (`baseline`). g is d times the exact J, n_pairs - 1.
    """

    n_pairs: int
    n_pre: int
    n_post: int
    mean_pre: float | None
    mean_post: float | None
    sd_pre: float | None
    sd_post: float | None
    sd_diff: float | None
    r: float | None
    j: float | None
    d_z: float | None
    d_av: float | None
    d_rm: float | None
    d_baseline: float | None
    g_z: float | None
    g_av: float | None
    g_rm: float | None
    g_baseline: float | None
    variance_g_baseline: float | None
    interval_g_baseline: tuple[float, float] | None  # 95%
    percent_change_of_means: float | None
    mean_of_individual_percents: float | None


@dataclass(frozen=True, slots=True)
class IndependentEffect:
    """The difference between two groups of different people, second - first; None if not defined."""

    df: int
    sd_pooled: float | None
    j: float | None
    d: float | None
    g: float | None


@dataclass(frozen=True, slots=True)
class Proportion:
    """A proportion with the name and size of its denominator."""

    count: int
    denominator: str  # enrolled, commenced, completed_all, completed_majority, responded_<timepoint>, assessable_<rule>
    n: int

    @property
    def percent(self) -> float | None:
        """The percentage; None if the denominator is 0."""
        return 100 * self.count / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class StudyFigures:
    """The reference study's figures for one domain, with raw and improvement signs."""

    raw_percent: float  # post - pre
    improvement_percent: float
    improvement_g: float

    @property
    def improved(self) -> bool:
        """Whether the group got better."""
        return self.improvement_percent > 0


@dataclass(frozen=True, slots=True)
class ImpliedBaseline:
    """The baseline implied by a percentage and an effect size.

    For synthetic people only, never quoted.
    """

    ratio: float  # mean / SD
    lowest_ratio: float  # as far as the rounding of the printed figures allows
    highest_ratio: float
    sd: float
    post_mean: float


def hedges_j_exact(df: int) -> float:
    """Hedges' correction: Gamma(df/2) / (sqrt(df/2) * Gamma((df-1)/2)), for df of 2 or more."""
    return exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2)


def hedges_j_approximate(df: int) -> float:
    """Hedges' correction by 1 - 3/(4 df - 1)."""
    return 1 - 3 / (4 * df - 1)


def paired_effect(pre: Sequence[float | None], post: Sequence[float | None]) -> PairedEffect:
    """Computes the effect sizes of the complete pairs.

    A missing value is not "no change" (POLICY, clinical.md 4.8).
    Raises ValueError if the lists differ in length: both must list the same people.
    """
    pairs = [(a, b) for a, b in zip(pre, post, strict=True) if a is not None and b is not None]
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    sd_pre, sd_post, sd_diff = _sd(before), _sd(after), _sd([b - a for a, b in pairs])
    difference = mean(after) - mean(before) if pairs else None
    r = _correlation(before, after)
    j = _j(len(pairs) - 1)
    d_z = _over(difference, sd_diff)
    d_av = _over(difference, _mean_square_root(sd_pre, sd_post))
    d_rm = d_z * sqrt(2 * (1 - r)) if d_z is not None and r is not None else None
    d_baseline = _over(difference, sd_pre)
    g_baseline = _times(d_baseline, j)
    variance = _variance(g_baseline, r, len(pairs))
    return PairedEffect(
        n_pairs=len(pairs),
        n_pre=sum(value is not None for value in pre),
        n_post=sum(value is not None for value in post),
        mean_pre=mean(before) if pairs else None,
        mean_post=mean(after) if pairs else None,
        sd_pre=sd_pre,
        sd_post=sd_post,
        sd_diff=sd_diff,
        r=r,
        j=j,
        d_z=d_z,
        d_av=d_av,
        d_rm=d_rm,
        d_baseline=d_baseline,
        g_z=_times(d_z, j),
        g_av=_times(d_av, j),
        g_rm=_times(d_rm, j),
        g_baseline=g_baseline,
        variance_g_baseline=variance,
        interval_g_baseline=_interval(g_baseline, variance),
        percent_change_of_means=percent_change_of_means(before, after),
        mean_of_individual_percents=mean_of_individual_percents(before, after),
    )


def standardised_mean_change(
    mean_pre: float, mean_post: float, sd_pre: float, n: int, r: float
) -> tuple[float, float] | None:
    """Computes g and its variance from a study's printed figures.

    g is J * difference / sd_pre; its variance is 2(1-r)/n + g^2/(2n).

    None if n is less than 2 or the SD is 0: then g is undefined, not 0 or infinity.
    """
    j, d = _j(n - 1), _over(mean_post - mean_pre, sd_pre)
    g = _times(d, j)
    variance = _variance(g, r, n)
    return (g, variance) if g is not None and variance is not None else None


def independent_effect(first: Sequence[float], second: Sequence[float]) -> IndependentEffect:
    """Computes the difference of two groups' means divided by their pooled SD.

    df = n1 + n2 - 2.
    """
    df = len(first) + len(second) - 2
    pooled = _pooled_sd(first, second)
    j = _j(df)
    d = _over(mean(second) - mean(first), pooled) if first and second else None
    return IndependentEffect(df, pooled, j, d, _times(d, j))


def percent_change_of_means(pre: Sequence[float], post: Sequence[float]) -> float | None:
    """Computes the change of the mean in percent of the mean before.

    100 * (mean after - mean before) / mean before; None if the mean before is 0.
    The reference study reports this figure.
    """
    if not pre or not post or mean(pre) == 0:
        return None
    return 100 * (mean(post) - mean(pre)) / mean(pre)


def mean_of_individual_percents(pre: Sequence[float], post: Sequence[float]) -> float | None:
    """Computes the mean of each person's percentage change.

    People with a baseline of 0 are left out. The result differs from `percent_change_of_means`.
    """
    own = [100 * (b - a) / a for a, b in zip(pre, post, strict=True) if a != 0]
    return mean(own) if own else None


def improvement_sign(effect: float | None, better: Better) -> float | None:
    """Returns the effect with a sign that is positive if people got better."""
    return effect if effect is None or better is Better.HIGHER else -effect


def read_study_figures(printed_percent: float, printed_g: float, better: Better) -> StudyFigures:
    """Converts the reference study's printed signs.

    The study prints reductions as positive; its minus on self-efficacy is a rise, and so an improvement."""
    raw = -printed_percent
    sign = 1 if better is Better.HIGHER else -1
    return StudyFigures(raw, sign * raw, sign * -printed_g)


def implied_baseline(proportion: float, g: float, baseline_mean: float, better: Better) -> ImpliedBaseline:
    """Derives the baseline from a percentage and an effect size (DERIVED, clinical.md 7).

    mean/SD = g / proportion, because both divide the same change, by the SD and by the mean.

    `proportion` is printed to three decimals and `g` to two.
    """
    ratio = g / proportion
    change = baseline_mean * proportion
    return ImpliedBaseline(
        ratio=ratio,
        lowest_ratio=(g - 0.005) / (proportion + 0.0005),
        highest_ratio=(g + 0.005) / (proportion - 0.0005),
        sd=baseline_mean / ratio,
        post_mean=baseline_mean + change if better is Better.HIGHER else baseline_mean - change,
    )


def _sd(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _j(df: int) -> float | None:
    return hedges_j_exact(df) if df > 1 else None


def _correlation(before: Sequence[float], after: Sequence[float]) -> float | None:
    try:
        r = correlation(before, after)
    except StatisticsError:  # fewer than two pairs, or no spread at one of the times
        return None
    return max(-1.0, min(1.0, r))


def _over(difference: float | None, sd: float | None) -> float | None:
    return difference / sd if difference is not None and sd else None


def _times(d: float | None, j: float | None) -> float | None:
    return d * j if d is not None and j is not None else None


def _mean_square_root(first: float | None, second: float | None) -> float | None:
    return sqrt((first**2 + second**2) / 2) if first is not None and second is not None else None


def _pooled_sd(first: Sequence[float], second: Sequence[float]) -> float | None:
    sd1, sd2 = _sd(first), _sd(second)
    if sd1 is None or sd2 is None:
        return None
    n1, n2 = len(first), len(second)
    return sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / (n1 + n2 - 2))


def _variance(g: float | None, r: float | None, n: int) -> float | None:
    return 2 * (1 - r) / n + g**2 / (2 * n) if g is not None and r is not None else None


def _interval(g: float | None, variance: float | None) -> tuple[float, float] | None:
    if g is None or variance is None:
        return None
    return g - Z95 * sqrt(variance), g + Z95 * sqrt(variance)
