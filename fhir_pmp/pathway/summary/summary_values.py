"""Converts the outcome summary to JSON values for the API and the command line."""

from typing import Any

from fhir_pmp.instruments.change_rules import RuleVerdict
from fhir_pmp.instruments.definition import Rule, Score
from fhir_pmp.pathway.scale_changes import Baseline, ScaleChange
from fhir_pmp.pathway.summary.category_lines import CategoryLine
from fhir_pmp.pathway.summary.engagement import CriterionResult, Engagement
from fhir_pmp.pathway.summary.outcome_summary import Headline, ScaleOutcome, Summary, TimepointCell
from fhir_pmp.pathway.summary.safety_lines import FlagLine, SafetyLine


def summary_values(summary: Summary) -> dict[str, Any]:
    """Returns the summary as JSON values; scores are decimal texts without loss."""
    return {
        "person": summary.person,
        "episode": summary.episode,
        "made_at": summary.made_at.isoformat(),
        "engagement": _engagement(summary.engagement),
        "results": [
            {
                "timepoint": line.timepoint,
                "text": line.text,
                "improved": line.improved,
                "unchanged": line.unchanged,
                "worsened": line.worsened,
                "not_known": line.not_known,
            }
            for line in summary.results
        ],
        "safety": [_safety(line) for line in summary.safety],
        "flags": [_flag(line) for line in summary.flags],
        "scales": [_scale(scale) for scale in summary.scales],
        "categories": [_category(line) for line in summary.categories],
        "next_due": None
        if summary.next_due is None
        else {"timepoint": summary.next_due[0], "on": summary.next_due[1].isoformat()},
        "made_from": [{"response": response, "version": version} for response, version in summary.made_from],
    }


def _engagement(engagement: Engagement) -> dict[str, Any]:
    dates = {name: getattr(engagement, name) for name in ("enrolled_on", "started_on", "ended_on")}
    return {
        "state": engagement.state.value,
        **{name: None if day is None else day.isoformat() for name, day in dates.items()},
        "lessons": engagement.lessons,
        "lessons_offered": engagement.lessons_offered,
        "commenced": _criterion_result(engagement.commenced),
        "completed_all": _criterion_result(engagement.completed_all),
        "completed_majority": _criterion_result(engagement.completed_majority),
        "end_reason": engagement.end_reason,
    }


def _criterion_result(result: CriterionResult) -> dict[str, Any]:
    return {"met": result.is_met, "rule": _rule(result.rule)}


def _rule(rule: Rule) -> dict[str, Any]:
    return {"rule_id": rule.rule_id, "version": rule.version, "status": rule.status.value}


def _safety(line: SafetyLine) -> dict[str, Any]:
    return {
        "instrument": line.instrument,
        "item": line.item,
        "title": line.title,
        "timepoint": line.timepoint,
        "on": None if line.on is None else line.on.text,
        "answer": line.answer,
        "text": line.text,
        "alert": line.alert,
        "acknowledged": line.acknowledged,
        "amended": line.amended,
    }


def _flag(line: FlagLine) -> dict[str, Any]:
    done = line.flag.acknowledgement
    return {
        "flag": line.flag.id,
        "title": line.title,
        "text": line.text,
        "timepoint": line.flag.timepoint,
        "raised_at": line.flag.raised_at.isoformat(),
        "acknowledged_at": None if done is None else done.at.isoformat(),
        "acknowledged_by": None if done is None else done.by,
        "since": line.since,
    }


def _scale(outcome: ScaleOutcome) -> dict[str, Any]:
    scale, baseline = outcome.scale, outcome.baseline
    return {
        "instrument": outcome.instrument.id,
        "instrument_version": outcome.instrument.version,
        "scale": scale.id,
        "title": scale.title,
        "better": scale.better.value,
        "baseline": baseline.timepoint if isinstance(baseline, Baseline) else None,
        "baseline_words": baseline.words,
        "timepoints": [_cell(cell) for cell in outcome.cells],
    }


def _cell(cell: TimepointCell) -> dict[str, Any]:
    return {
        "timepoint": cell.timepoint,
        "on": None if cell.on is None else cell.on.text,
        "text": cell.text,
        "absence": None if cell.absence is None else cell.absence.kind.value,
        "score": None if cell.score is None else _score(cell.score),
        "notes": list(cell.notes),
        "change": None if cell.change is None else _change(cell.change),
        "headline": None if cell.headline is None else _headline(cell.headline),
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "value": score.published,
        "band": score.band,
        "answered": score.answered,
        "blanks": score.blanks,
        "prorated": score.prorated,
        "unconfirmed": list(score.unconfirmed),
    }


def _change(change: ScaleChange) -> dict[str, Any]:
    comparison = change.comparison
    return {
        "since": change.baseline,
        "points": comparison.points_text,
        "percent": comparison.percent_text,
        "words": comparison.words,
        "sense": comparison.direction.value,
        "verdicts": [
            _verdict(one, unconfirmed=one.rule.rule.rule_id in comparison.unconfirmed_rules)
            for one in comparison.verdicts
        ],
    }


def _verdict(verdict: RuleVerdict, *, unconfirmed: bool) -> dict[str, Any]:
    return {
        **_rule(verdict.rule.rule),
        "title": verdict.rule.title,
        "verdict": verdict.verdict.value,
        "grade": verdict.grade,
        "reason": verdict.reason,
        "unconfirmed": unconfirmed,
    }


def _headline(headline: Headline) -> dict[str, Any]:
    return {
        "outcome": headline.outcome.value,
        "rule_id": None if headline.verdict is None else headline.verdict.rule.rule.rule_id,
        "reason": headline.reason,
    }


def _category(line: CategoryLine) -> dict[str, Any]:
    return {
        "instrument": line.instrument,
        "item": line.item,
        "title": line.title,
        "timepoint": line.timepoint,
        "on": None if line.on is None else line.on.text,
        "answer": line.answer,
        "text": line.text,
    }
