"""Prepares a scale for the person's page: scores, bands, changes, verdicts and a chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict
from fhir_pmp.instruments.definition import RuleStatus
from fhir_pmp.letters.text.charts import Chart, ChartPoint, draw_chart
from fhir_pmp.letters.text.measure_section import offered_cells
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.scale_changes import Baseline, NoBaseline
from fhir_pmp.pathway.score_comparison import ChangeDirection, ScoreComparison
from fhir_pmp.pathway.summary.outcome_summary import ScaleOutcome, Summary, TimepointCell
from fhir_pmp.web.pages import display

_DIRECTION_WORDS = {
    ChangeDirection.BETTER: "for the better",
    ChangeDirection.WORSE: "for the worse",
    ChangeDirection.SAME: None,
}


@dataclass(frozen=True, slots=True)
class ChangeText:
    """A change since baseline in words; never a bare plus or minus sign."""

    words: str | None  # "fell by 7 points (46.7%), for the better"; None: no two scores to compare
    counted: str | None  # "improved", by the headline rule; None where the scale does not count
    reason: str | None  # why the outcome is not known
    unconfirmed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One timepoint of a measure."""

    title: str
    on: str
    text: str  # the score, or which of the four absences applies
    scored: bool
    band: str | None
    notes: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    change: ChangeText | None


@dataclass(frozen=True, slots=True)
class RuleLine:
    """The verdict of one named rule at each later timepoint. No rule overrides another."""

    title: str
    rule: str  # "eppoc.pcs.change, version 1"
    headline: bool
    unconfirmed: bool
    verdicts: tuple[str, ...]  # one for each of the measure's changes


@dataclass(frozen=True, slots=True)
class ScaleDisplay:
    """One scale over the whole programme."""

    anchor: str
    title: str
    instrument: str
    range: str  # "0 to 27, lower is better"
    baseline: str
    has_baseline: bool
    is_subscale: bool  # part of another scale
    lines: tuple[ScoreLine, ...]
    changes: tuple[ScoreLine, ...]  # the timepoints that are compared with the baseline
    rules: tuple[RuleLine, ...]
    chart: Chart | None

    @property
    def answered(self) -> bool:
        """Whether any timepoint has a score."""
        return any(line.scored for line in self.lines)


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One row of the table Outcomes at a glance."""

    anchor: str
    title: str
    better: str
    baseline: str
    unconfirmed: tuple[str, ...]  # unconfirmed rules that the baseline's score is based on
    later: tuple[ScoreLine, ...]


def build_overview(clinic: ClinicalContext, summary: Summary) -> list[OverviewRow]:
    """Returns a row for every scale that is not a sub-scale."""
    whole = [outcome for outcome in summary.scales if outcome.scale.part_of is None]
    return [
        OverviewRow(
            anchor=_anchor(outcome),
            title=outcome.scale.title,
            better=f"{outcome.scale.better.value} is better",
            baseline=_baseline(clinic, outcome),
            unconfirmed=_rests_on(outcome.baseline),
            later=tuple(_line(outcome.at(timepoint.id)) for timepoint in clinic.programme.later),
        )
        for outcome in whole
    ]


def build_scale_displays(clinic: ClinicalContext, summary: Summary) -> list[ScaleDisplay]:
    """Returns every scale of the summary, in its order."""
    return [_scale_display(clinic, outcome) for outcome in summary.scales]


def _scale_display(clinic: ClinicalContext, outcome: ScaleOutcome) -> ScaleDisplay:
    scale, cells = outcome.scale, offered_cells(clinic, outcome)
    later_ids = {timepoint.id for timepoint in clinic.programme.later}
    later = [cell for cell in cells if cell.timepoint in later_ids]
    return ScaleDisplay(
        anchor=_anchor(outcome),
        title=scale.title,
        instrument=outcome.instrument.title,
        range=f"{scale.lowest} to {scale.highest}, {scale.better.value} is better",
        baseline=outcome.baseline.words,
        has_baseline=isinstance(outcome.baseline, Baseline),
        is_subscale=scale.part_of is not None,
        lines=tuple(_line(cell) for cell in cells),
        changes=tuple(_line(cell) for cell in later),
        rules=tuple(_rules(outcome, later)),
        chart=_chart(outcome, cells),
    )


def _anchor(outcome: ScaleOutcome) -> str:
    return f"{outcome.instrument.id}-{outcome.scale.id}"


def _baseline(clinic: ClinicalContext, outcome: ScaleOutcome) -> str:
    baseline = outcome.baseline
    if not isinstance(baseline, Baseline):
        return baseline.words
    parts = [baseline.score.published or "", baseline.score.band or ""]
    title = clinic.programme.timepoint(baseline.timepoint).title
    return f"{', '.join(filter(None, parts))} ({title})"


def _rests_on(baseline: Baseline | NoBaseline) -> tuple[str, ...]:
    return baseline.score.unconfirmed if isinstance(baseline, Baseline) else ()


def _line(cell: TimepointCell) -> ScoreLine:
    score = cell.score
    return ScoreLine(
        title=cell.title,
        on=display.answered(cell.on),
        text=cell.text,
        scored=score is not None and score.value is not None,
        band=None if score is None else score.band,
        notes=cell.notes,
        unconfirmed=() if score is None else score.unconfirmed,
        change=_change(cell),
    )


def _change(cell: TimepointCell) -> ChangeText | None:
    counted = None if cell.headline is None else cell.headline.outcome.value
    reason = None if cell.headline is None else cell.headline.reason
    if cell.change is None:
        # The text of the absence beside it already gives this reason.
        is_repeated = reason is not None and cell.absence is not None and reason == cell.absence.text
        return None if counted is None else ChangeText(None, counted, None if is_repeated else reason, ())
    return ChangeText(comparison_words(cell.change.comparison), counted, reason, cell.change.unconfirmed)


def comparison_words(comparison: ScoreComparison) -> str:
    """ "fell by 7 points (46.7%), for the better"."""
    words = comparison.words
    if comparison.points and comparison.percent_words is not None:
        words += f" ({comparison.percent_words})"
    elif comparison.points:
        words += " (no percentage from a baseline of 0)"
    direction = _DIRECTION_WORDS[comparison.direction]
    return words if direction is None else f"{words}, {direction}"


def _rules(outcome: ScaleOutcome, later: Sequence[TimepointCell]) -> Iterator[RuleLine]:
    # A measure that is not due at any later timepoint has a rule but does not count in the results.
    counts = any(cell.headline is not None for cell in later)
    for position, rule in enumerate(outcome.scale.changes):
        marked = any(
            cell.change is not None and rule.rule.rule_id in cell.change.comparison.unconfirmed_rules
            for cell in later
        )
        yield RuleLine(
            title=rule.title,
            rule=f"{rule.rule.rule_id}, version {rule.rule.version}",
            headline=counts and rule.rule.rule_id == outcome.scale.headline_rule,
            unconfirmed=marked or rule.rule.status is RuleStatus.UNCONFIRMED,
            verdicts=tuple(_verdict(cell, position) for cell in later),
        )


def _verdict(cell: TimepointCell, position: int) -> str:
    return "not known" if cell.change is None else verdict_words(cell.change.comparison.verdicts[position])


def verdict_words(verdict: RuleVerdict) -> str:
    """ "improved, moderate"; "not assessable (baseline 0)"."""
    words = "not assessable" if verdict.verdict is Verdict.NOT_ASSESSABLE else verdict.verdict.value
    words += f", {verdict.grade}" if verdict.grade else ""
    return f"{words} ({verdict.reason})" if verdict.reason else words


def _chart(outcome: ScaleOutcome, cells: Sequence[TimepointCell]) -> Chart | None:
    """Returns a chart for two or more scores; a single point would add nothing to its line of text."""
    points = [ChartPoint(cell.title, cell.score.value if cell.score else None, cell.text) for cell in cells]
    if sum(point.value is not None for point in points) < 2:
        return None
    scale = outcome.scale
    edges = [band.lowest for band in scale.band_sets[0].bands[1:]] if scale.band_sets else []
    return draw_chart(scale.title, scale.lowest, scale.highest, scale.better, points, edges)
