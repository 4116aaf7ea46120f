"""The facts of every golden letter give the scores, absences, changes and counts that were worked out by hand for it."""

from datetime import date
from typing import Any

import pytest
from ruamel.yaml import YAML

from fhir_pmp.identifiers import InstrumentId, TimepointId
from fhir_pmp.instruments.change_rules import RuleVerdict
from fhir_pmp.pathway.facts import Episode, EpisodeState, Lesson, Response
from fhir_pmp.pathway.scale_changes import ScaleChange
from fhir_pmp.pathway.summary.outcome_summary import Summary, TimepointCell
from tests.spec.pathway.shipped_clinic import INSTRUMENTS, ROOT, ended, filled_form, outcome, summary

LETTERS = ROOT / "tests" / "data" / "letters"
POST = TimepointId("post")
CASES = sorted(
    path.parent.name for path in LETTERS.glob("*/expected.yaml") if "\nscores:" in "\n" + path.read_text()
)


def read(case: str, name: str) -> Any:
    return YAML(typ="safe").load((LETTERS / case / name).read_text(encoding="utf-8"))


def episode_of(facts: Any) -> Episode:
    known = facts["episode"]
    days = {
        key: date.fromisoformat(known[key])
        for key in ("enrolled_on", "started_on", "ended_on")
        if key in known
    }
    lessons = tuple(Lesson(n, date.fromisoformat(day)) for n, day in enumerate(known["lessons"], start=1))
    bare = {"enrolled_on": None, "started_on": None}
    return ended(EpisodeState(known["state"]), **{**bare, **days}, lessons=lessons)


def responses_of(facts: Any) -> list[Response]:
    return [
        filled_form(instrument, timepoint, values_of(instrument, given), given["on"])
        for timepoint, forms in facts["answers"].items()
        for instrument, given in forms.items()
    ]


def values_of(instrument: str, given: Any) -> str:
    if "values" in given:
        return str(given["values"])
    labels = {f"{instrument}-{name}": label for name, label in given["labels"].items()}
    return " ".join(
        str(next(option.value for option in item.options if option.label.lower() == labels[item.link_id]))
        for item in INSTRUMENTS[InstrumentId(instrument)].items
    )


def summary_of(case: str) -> Summary:
    facts = read(case, "facts.yaml")
    return summary(*responses_of(facts), today=facts["today"], episode=episode_of(facts))


def cell_values(cell: TimepointCell) -> object:
    """A cell in the words of expected.yaml."""
    score = cell.score
    if cell.absence is not None or score is None:
        return cell.text
    actual: dict[str, object] = {"score": score.published}
    if score.band is not None:
        actual["band"] = score.band
    if score.blanks:
        actual |= {"blanks": score.blanks, "answered": score.answered, "prorated": score.prorated}
    return actual


def change_values(change: ScaleChange) -> dict[str, object]:
    comparison = change.comparison
    actual: dict[str, object] = {} if change.baseline == "start" else {"from": change.baseline}
    return actual | {
        "direction": comparison.words.partition(" by ")[0],
        "points": comparison.points_text.removeprefix("-"),
        "percent": (comparison.percent_text or "").removeprefix("-"),
        "verdicts": {one.rule.rule.rule_id: verdict_text(one) for one in comparison.confirmed},
    }


def verdict_text(one: RuleVerdict) -> str:
    return f"{one.verdict.value}, {one.grade}" if one.grade else str(one.verdict.value)


def test_there_are_golden_letters() -> None:
    assert len(CASES) >= 8


@pytest.mark.parametrize("case", CASES)
def test_scores_and_absences_are_those_worked_by_hand(case: str) -> None:
    found = summary_of(case)
    for scale, expected in read(case, "expected.yaml")["scores"].items():
        cells = {cell.timepoint: cell_values(cell) for cell in outcome(found, scale).cells}
        actual = {when: cells[TimepointId(when)] for when in expected}
        assert actual == expected, scale


@pytest.mark.parametrize("case", CASES)
def test_changes_and_verdicts_are_those_worked_by_hand(case: str) -> None:
    found = summary_of(case)
    for scale, expected in read(case, "expected.yaml")["changes"].items():
        change = outcome(found, scale).at(POST).change
        assert change is not None, scale
        assert change_values(change) == expected, scale


@pytest.mark.parametrize("case", CASES)
def test_no_change_is_told_that_was_not_worked_by_hand(case: str) -> None:
    expected = set(read(case, "expected.yaml")["changes"])
    found = summary_of(case)
    measured = {
        f"{one.instrument.id}.{one.scale.id}" for one in found.scales if one.at(POST).headline is not None
    }
    changed = {
        f"{one.instrument.id}.{one.scale.id}" for one in found.scales if one.at(POST).change is not None
    }
    assert changed & measured <= expected


@pytest.mark.parametrize("case", CASES)
def test_the_result_line_counts_as_by_hand(case: str) -> None:
    line = summary_of(case).result(POST)
    counted = {
        "improved": line.improved,
        "unchanged": line.unchanged,
        "worsened": line.worsened,
        "not_known": line.not_known,
    }
    assert counted == read(case, "expected.yaml")["headline"]
    first_page = read(case, "expected.yaml")["page_one"]
    assert f"{line.text}." in first_page
