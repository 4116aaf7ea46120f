"""What a letter says where a fact is odd: measures that are not counted, a start that moved, a day of another zone."""

import copy
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from msgspec import structs

from fhir_pmp.intake.csv_import.cells import read_moment
from fhir_pmp.letters.text.letter_content import Grid, LetterContent, MeasureBlock, Paragraph
from fhir_pmp.letters.text.letter_writer import propose_fields, write_letter
from fhir_pmp.pathway.summary.outcome_summary import summarise
from tests.spec.letters.golden_cases import build, clinic, golden, read_yaml, wording

K10_BEFORE = {"on": "2026-03-02", "values": "3 3 3 3 3 3 3 3 3 3"}  # 30
K10_AFTER = {"on": "2026-04-28", "values": "1 1 1 1 1 1 1 1 1 1"}  # 10: 20 points less, more than its 7


def letter(case: str, **episode: Any) -> LetterContent:
    """The case's letter with other facts of the episode."""
    given = copy.deepcopy(read_yaml(case, "facts.yaml"))
    given["episode"] |= episode
    given["episode"] = {name: value for name, value in given["episode"].items() if value is not None}
    return build(case, given, {}).content()


def blocks(content: LetterContent, kind: type) -> list[Any]:
    return [block for section in content.sections for block in section.blocks if isinstance(block, kind)]


def measure(content: LetterContent, title: str) -> Any:
    (found,) = [block for block in blocks(content, MeasureBlock) if block.title == title]
    return found


def test_as_many_measures_are_marked_counted_as_the_result_line_counts() -> None:
    given = copy.deepcopy(read_yaml("pseq_rise", "facts.yaml"))
    given["answers"]["start"]["k10"], given["answers"]["post"]["k10"] = K10_BEFORE, K10_AFTER
    content = build("pseq_rise", given, {}).content()
    result = next(block.text for block in content.page_one[0].blocks if "measures:" in block.text)  # type: ignore[union-attr]
    # PHQ-9, GAD-7, PCS, PSEQ, interference and average pain are due at the end; the K10 is taken and not asked for.
    assert result.startswith("Of 6 measures: ")
    counted = [b.title for b in blocks(content, MeasureBlock) if any("counted" in v for v in b.verdicts)]
    assert len(counted) == 6 and "Psychological distress (K10)" not in counted
    assert measure(content, "Psychological distress (K10)").verdicts == (
        "Reliable change: 7 points: improved",
    )


def test_a_score_outside_its_window_is_not_shown_as_the_baseline() -> None:
    # Begun on 10 March, so a start of 2 March lies before its window (3 March to 24 March); no PCS was screened.
    (table,) = blocks(letter("pseq_rise", started_on="2026-03-10"), Grid)
    (row,) = [row for row in table.rows if row[0] == "Pain catastrophising (PCS)"]
    assert (row[1], row[3], row[4]) == ("not known", "not known", "not known")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("2026-04-27T15:30:00Z", "28 April 2026"),  # half past one at night in Sydney
        ("2026-04-27T14:00:00Z", "28 April 2026"),  # midnight
        ("2026-04-27T13:59:59Z", "27 April 2026"),
        ("2026-04-28T23:30:00-09:30", "29 April 2026"),
        ("2026-04-28", "28 April 2026"),  # a date alone is nobody's to shift
    ],
)
def test_a_response_bears_the_clinics_day_by_which_its_window_is_judged(written: str, sentence: str) -> None:
    case = golden("pseq_rise")
    moment = read_moment(written)
    assert moment is not None
    responses = [structs.replace(one, authored=moment) for one in case.responses if one.timepoint == "post"]
    others = [one for one in case.responses if one.timepoint != "post"]
    facts = case.facts
    summary = summarise(
        clinic(), facts.person, facts.episode, [*others, *responses], case.flags, facts.made_at
    )
    content = write_letter(clinic(), wording(), replace(facts, summary=summary))
    line = next(one for one in measure(content, "Pain self-efficacy (PSEQ)").lines if "End of" in one)
    assert line.startswith(f"End of programme, {sentence}: 30")
    safety = next(section for section in content.sections if section.id == "safety")
    assert f"End of programme, {sentence}: not at all (0)" in str(safety)


@pytest.mark.parametrize(
    ("episode", "sentence"),
    [
        ({}, "Enrolled on 16 February 2026 and did not start the programme."),
        ({"enrolled_on": None}, "Enrolled and did not start the programme."),
    ],
)
def test_who_was_enrolled_on_a_day_nobody_noted_was_enrolled(episode: dict[str, Any], sentence: str) -> None:
    first = letter("never_started", **episode).page_one[0].blocks[0]
    assert isinstance(first, Paragraph) and first.text == sentence


def test_who_was_accepted_and_never_enrolled_did_not_enrol() -> None:
    case = golden("never_started")
    accepted = replace(case.facts.episode, enrolment=None, source=None, enrolled_on=None)
    summary = summarise(clinic(), case.facts.person, accepted, [], [], case.facts.made_at)
    content = write_letter(clinic(), wording(), replace(case.facts, episode=accepted, summary=summary))
    first = content.page_one[0].blocks[0]
    assert isinstance(first, Paragraph) and first.text == "Did not enrol in the programme."
    assert accepted.ended_on == date(2026, 3, 30)


def test_what_has_worsened_by_the_follow_up_is_asked_about_once() -> None:
    given = copy.deepcopy(read_yaml("pseq_rise", "facts.yaml"))
    given["today"] = "2026-07-30"
    # PHQ-9 15 at the start, 24 at the follow-up on day 147: worse by 9, more than the 6 of its rule.
    given["answers"]["follow_up"] = {"phq9": {"on": "2026-07-27", "values": "3 3 3 3 3 3 3 3 0"}}
    proposed = propose_fields(clinic(), wording(), build("pseq_rise", given, {}).facts)
    assert proposed.gp_actions.startswith("Please review depression symptoms (PHQ-9) at the next visit.")
    assert "No action" not in proposed.gp_actions
