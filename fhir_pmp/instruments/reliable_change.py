"""Computes reliable change after Jacobson and Truax 1991 (clinical.md 4.4)."""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from fhir_pmp.instruments.change_rules import Verdict
from fhir_pmp.instruments.definition import Better

Z95 = 1.96


class ReliableChangeClass(StrEnum):
    """Jacobson and Truax's four classes (clinical.md 4.5)."""

    RECOVERED = "recovered"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    DETERIORATED = "deteriorated"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Mean and standard deviation of a group on a scale."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The three cut-offs between the clinical and the normal group."""

    a: float  # two SDs from the clinical mean, towards health
    b: float  # two SDs from the normal mean, towards illness
    c: float  # between both, weighted by their SDs


@dataclass(frozen=True, slots=True)
class Classification:
    """One person's class of change.

    `in_range` is False if the baseline was already healthy: recovery rates leave such a person out.
    """

    category: ReliableChangeClass
    in_range: bool
    rci: float


def standard_error(sd: float, reliability: float) -> float:
    """Returns the standard error of measurement: SD * sqrt(1 - r)."""
    return sd * sqrt(1 - reliability)


def difference_error(sem: float) -> float:
    """Returns the standard error of a difference of two measurements: sqrt(2 * SEM^2)."""
    return sqrt(2 * sem**2)


def reliable_change_index(before: float, after: float, sem: float) -> float:
    """(after - before) / Sdiff, with the raw sign."""
    return (after - before) / difference_error(sem)


def smallest_detectable_change(sem: float) -> float:
    """MDC95, the points a change must exceed to be reliable: 1.96 * sqrt(2) * SEM."""
    return Z95 * difference_error(sem)


def standard_error_from_mdc95(mdc95: float) -> float:
    """Returns the SEM behind a published MDC95."""
    return mdc95 / smallest_detectable_change(1)


def reliable_verdict(before: float, after: float, sem: float, better: Better) -> Verdict:
    """Improved or worsened if |RCI| > 1.96, by the scale's direction; else unchanged."""
    improvement_index = _improvement(reliable_change_index(before, after, sem), better)
    if abs(improvement_index) <= Z95:
        return Verdict.UNCHANGED
    return Verdict.IMPROVED if improvement_index > 0 else Verdict.WORSENED


def cutoffs(clinical: Distribution, normal: Distribution, better: Better) -> Cutoffs:
    """Returns the cut-offs from which a score counts as the normal group's."""
    towards_health = 1 if better is Better.HIGHER else -1
    weighted = clinical.sd * normal.mean + normal.sd * clinical.mean
    return Cutoffs(
        a=clinical.mean + 2 * towards_health * clinical.sd,
        b=normal.mean - 2 * towards_health * normal.sd,
        c=weighted / (clinical.sd + normal.sd),
    )


def classify(before: float, after: float, sem: float, cutoff: float, better: Better) -> Classification:
    """Classifies a change as recovered, improved, unchanged or deteriorated.

    Where lower is better, a score below the cut-off is healthy."""
    in_range = not _is_healthy(before, cutoff, better)
    verdict = reliable_verdict(before, after, sem, better)
    category = _CLASSES[verdict]
    if verdict is Verdict.IMPROVED and in_range and _is_healthy(after, cutoff, better):
        category = ReliableChangeClass.RECOVERED
    return Classification(category, in_range, reliable_change_index(before, after, sem))


def _improvement(change: float, better: Better) -> float:
    return change if better is Better.HIGHER else -change


def _is_healthy(score: float, cutoff: float, better: Better) -> bool:
    return score < cutoff if better is Better.LOWER else score > cutoff


_CLASSES = {
    Verdict.IMPROVED: ReliableChangeClass.IMPROVED,
    Verdict.UNCHANGED: ReliableChangeClass.UNCHANGED,
    Verdict.WORSENED: ReliableChangeClass.DETERIORATED,
}
