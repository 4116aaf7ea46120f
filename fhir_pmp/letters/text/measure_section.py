"""Writes a letter's overview table and its blocks of scores, changes and verdicts."""

from collections.abc import Iterator, Sequence

from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict
from fhir_pmp.instruments.definition import Score
from fhir_pmp.letters.text.charts import Chart, ChartPoint, draw_chart
from fhir_pmp.letters.text.letter_content import Block, Bullets, Grid, MeasureBlock
from fhir_pmp.letters.text.letter_wording import Wording, lower_first
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import day_of
from fhir_pmp.pathway.scale_changes import Baseline, ScaleChange
from fhir_pmp.pathway.summary.outcome_summary import ScaleOutcome, Summary, TimepointCell


def reportable_scales(summary: Summary) -> tuple[ScaleOutcome, ...]:
    """The scales that a letter names: no sub-scale, and none with an UNCONFIRMED rule."""
    return tuple(
        one for one in summary.scales if one.scale.part_of is None and not _uses_unconfirmed_rule(one)
    )


def _uses_unconfirmed_rule(outcome: ScaleOutcome) -> bool:
    return any(cell.score is not None and cell.score.unconfirmed for cell in outcome.cells)


def offered_cells(clinic: ClinicalContext, outcome: ScaleOutcome) -> tuple[TimepointCell, ...]:
    """The timepoints at which the programme asks for this measure or received it."""
    asked = {point.id for point in clinic.programme.timepoints if outcome.instrument.id in point.instruments}
    return tuple(cell for cell in outcome.cells if cell.response is not None or cell.timepoint in asked)


def build_overview_table(clinic: ClinicalContext, wording: Wording, summary: Summary) -> Grid | None:
    """Builds the overview table: one row for each counted measure.

    None if no measure has a score at the end of the programme.
    """
    post = clinic.programme.post
    counted = [one for one in reportable_scales(summary) if one.at(post.id).headline is not None]
    if not any(one.at(post.id).absence is None for one in counted):
        return None
    return Grid(
        head=(
            wording.sentence("glance_measure"),
            wording.sentence("glance_baseline"),
            post.title,
            wording.sentence("glance_change"),
            wording.sentence("glance_verdict"),
        ),
        rows=tuple(_row(clinic, wording, one) for one in counted),
    )


def _row(clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome) -> tuple[str, ...]:
    cell = outcome.at(clinic.programme.post.id)
    change = wording.sentence("not_known")
    if cell.change is not None:
        percent = cell.change.comparison.percent_words if cell.change.comparison.points else None
        change = cell.change.comparison.words + (f" ({percent})" if percent else "")
    verdict = cell.headline.outcome.value if cell.headline is not None else wording.sentence("not_known")
    return (
        outcome.scale.title,
        _baseline_text(clinic, wording, outcome),
        _score_text(cell.score) if cell.absence is None else cell.absence.text,
        change,
        verdict,
    )


def _baseline_text(clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome) -> str:
    start = clinic.programme.start
    if not isinstance(outcome.baseline, Baseline):
        # A score outside its window is no baseline; it is shown with its date below.
        at_start = outcome.at(start.id)
        return wording.sentence("not_known") if at_start.absence is None else at_start.text
    score = _score_text(outcome.baseline.score)
    if outcome.baseline.timepoint == start.id:
        return score
    title = clinic.programme.timepoint(outcome.baseline.timepoint).title
    return wording.sentence("glance_other_baseline", score=score, timepoint=lower_first(title))


def _score_text(score: Score | None) -> str:
    if score is None or score.published is None:
        return ""
    return f"{score.published}, {score.band}" if score.band else score.published


def measure_blocks(clinic: ClinicalContext, wording: Wording, summary: Summary) -> tuple[Block, ...]:
    """One block for each named scale; scales without a response share one list."""
    blocks: list[Block] = []
    without_responses: list[str] = []
    for outcome in reportable_scales(summary):
        cells = offered_cells(clinic, outcome)
        if any(cell.response is not None for cell in cells):
            blocks.append(_measure(clinic, wording, outcome, cells))
        elif cells:
            absences = "; ".join(f"{lower_first(cell.title)} {cell.text}" for cell in cells)
            name = outcome.scale.title
            without_responses.append(wording.sentence("nothing_received", measure=name, absences=absences))
    if without_responses:
        blocks.append(Bullets(wording.sentence("nothing_received_title"), tuple(without_responses)))
    return tuple(blocks)


def measure_entries(clinic: ClinicalContext, summary: Summary) -> tuple[str, ...]:
    """The Observations of the scores and changes that the measure blocks state."""
    entries = []
    for outcome in reportable_scales(summary):
        for cell in outcome.cells:
            if cell.response is not None:
                entries.append(f"Observation/{clinic.ids.score_id(cell.response, outcome.scale.id)}")
            if cell.change is not None:
                entries.append(f"Observation/{cell.change.id}")
    return tuple(entries)


def _measure(
    clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome, cells: Sequence[TimepointCell]
) -> MeasureBlock:
    scale = outcome.scale
    title = outcome.scale.title
    better = scale.better.value
    return MeasureBlock(
        title=title,
        range_text=wording.sentence("range", lowest=scale.lowest, highest=scale.highest, better=better),
        lines=(
            *(_cell_line(clinic, wording, cell) for cell in cells),
            *_change_lines(clinic, wording, outcome),
        ),
        verdicts=tuple(_verdict_lines(clinic, wording, outcome)),
        chart=_chart(title, outcome, cells),
    )


def _cell_line(clinic: ClinicalContext, wording: Wording, cell: TimepointCell) -> str:
    date = plain_date(day_of(cell.on, clinic.zone)) if cell.on is not None else None
    if cell.absence is not None:
        if date is None:
            return wording.sentence("absent", timepoint=cell.title, absence=cell.absence.text)
        return wording.sentence("absent_on", timepoint=cell.title, date=date, absence=cell.absence.text)
    published, band = (cell.score.published, cell.score.band) if cell.score is not None else (None, None)
    name = "score" if band else "score_only"
    words = {"timepoint": cell.title, "date": date, "score": published} | ({"band": band} if band else {})
    line, notes = wording.sentence(name, **words), _notes(wording, cell)
    return wording.sentence("noted", line=line, notes="; ".join(notes)) if notes else line


def _notes(wording: Wording, cell: TimepointCell) -> list[str]:
    notes = []
    if cell.score is not None and cell.score.blanks:
        name = "prorated" if cell.score.prorated else "blanks"
        items = cell.score.answered + cell.score.blanks
        notes.append(wording.sentence(name, answered=cell.score.answered, items=items))
    if cell.amended:
        notes.append(wording.sentence("amended"))
    if cell.outside_window:
        notes.append(wording.sentence("outside_window"))
    return notes


def _change_lines(clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome) -> Iterator[str]:
    changed = [cell.change for cell in outcome.cells if cell.change is not None]
    for cell in outcome.cells:
        if cell.change is not None:
            yield _change_line(clinic, wording, outcome, cell, cell.change)
        elif cell.headline is not None and cell.timepoint == clinic.programme.post.id:
            start = lower_first(clinic.programme.start.title)
            yield wording.sentence("change_not_known", baseline=start, timepoint=lower_first(cell.title))
    if (
        changed
        and isinstance(outcome.baseline, Baseline)
        and changed[0].baseline != clinic.programme.start.id
    ):
        yield wording.sentence("baseline", words=outcome.baseline.words)


def _change_line(
    clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome, cell: TimepointCell, change: ScaleChange
) -> str:
    comparison = change.comparison
    words = {
        "baseline": lower_first(clinic.programme.timepoint(change.baseline).title),
        "timepoint": lower_first(cell.title),
        "words": comparison.words,
        "Better": outcome.scale.better.value.capitalize(),
    }
    if comparison.points == 0:
        return wording.sentence("change_none", **words)
    if comparison.percent_words is None:
        return wording.sentence("change_no_percent", **words)
    return wording.sentence("change", percent=comparison.percent_words, **words)


def _verdict_lines(clinic: ClinicalContext, wording: Wording, outcome: ScaleOutcome) -> Iterator[str]:
    """One line for each confirmed rule and later timepoint; lines of the post timepoint have no prefix."""
    for cell in outcome.cells:
        for verdict in cell.change.comparison.confirmed if cell.change is not None else ():
            at_post = cell.timepoint == clinic.programme.post.id
            # Only measures that the result line counts are marked; one that is not due then is not counted.
            counted = at_post and cell.headline is not None and cell.headline.verdict == verdict
            text = _verdict_text(wording, verdict)
            line = wording.sentence(
                "verdict_counted" if counted else "verdict", rule=verdict.rule.title, verdict=text
            )
            yield (line if at_post else wording.sentence("verdict_at", timepoint=cell.title, verdict=line))


def _verdict_text(wording: Wording, verdict: RuleVerdict) -> str:
    text = (
        wording.sentence("not_assessable")
        if verdict.verdict is Verdict.NOT_ASSESSABLE
        else verdict.verdict.value
    )
    if verdict.grade is not None:
        text = wording.sentence("graded", verdict=text, grade=verdict.grade)
    return (
        wording.sentence("because", verdict=text, reason=verdict.reason)
        if verdict.reason is not None
        else text
    )


def _chart(title: str, outcome: ScaleOutcome, cells: Sequence[TimepointCell]) -> Chart | None:
    """The chart, if there are two scores or more; one dot adds nothing to the text."""
    points = [ChartPoint(cell.title, cell.score.value if cell.score else None, cell.text) for cell in cells]
    if sum(point.value is not None for point in points) < 2:
        return None
    scale = outcome.scale
    edges = [band.lowest for band in scale.band_sets[0].bands[1:]] if scale.band_sets else []
    return draw_chart(title, scale.lowest, scale.highest, scale.better, points, edges)
