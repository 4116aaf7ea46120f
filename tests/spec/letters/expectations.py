"""What a golden letter's text must hold, put together from expected.yaml, the facts' dates and the mappings' titles."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from fhir_pmp.identifiers import InstrumentId, ScaleId
from tests.spec.letters.golden_cases import clinic

# Of a group of people, never of one person (clinical.md 6.4 and 4.7).
GROUP_WORDS = re.compile(r"effect size|Hedges|Cohen|standardi[sz]ed mean", re.IGNORECASE)
# A minus that stands before a number and does not join two words: "- 8", "-8", "−8".
BARE_MINUS = re.compile(r"(?<![\w.])[-−–]\s?\d")


def faults(pages: list[str], given: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the letter's text; empty for the letter that was worked by hand."""
    whole = " ".join(pages)
    found = [f"page one lacks: {sentence}" for sentence in expected["page_one"] if sentence not in pages[0]]
    found += [f"lacks: {sentence}" for sentence in expected["sentences"] if sentence not in whole]
    found += [f"says: {word}" for word in expected["never"] if word in whole]
    found += [f"speaks of groups: {match[0]}" for match in [GROUP_WORDS.search(whole)] if match]
    found += [f"a bare minus: {match[0]}" for match in [BARE_MINUS.search(whole)] if match]
    if "scores" in expected:
        for scale, lines in measure_lines(given, expected):
            block = measure_block(whole, scale)
            found += [f"{scale} lacks: {line}" for line in lines if line not in block]
    return found


def measure_lines(given: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """For each scale the lines its block must hold: scores and absences, the change, each rule's verdict."""
    for scale, cells in expected["scores"].items():
        if any(scale.split(".")[0] in forms for forms in given["answers"].values()):
            lines = [cell_line(given, scale, when, cell) for when, cell in cells.items()]
            yield scale, lines + change_lines(scale, expected["changes"].get(scale))


def cell_line(given: Mapping[str, Any], scale: str, when: str, cell: Any) -> str:
    """ "Start, 2 March 2026: 15, moderately severe (prorated: 8 of 9 items answered)"."""
    title = clinic().programme.timepoint(when).title
    form = given["answers"].get(when, {}).get(scale.split(".")[0])
    head = title if form is None else f"{title}, {in_words(form['on'])}"
    if isinstance(cell, str):
        return f"{head}: {cell}"
    sentence = f"{head}: {cell['score']}" + (f", {cell['band']}" if "band" in cell else "")
    if "blanks" not in cell:
        return sentence
    how = "prorated: " if cell["prorated"] else ""
    return f"{sentence} ({how}{cell['answered']} of {cell['answered'] + cell['blanks']} items answered)"


def change_lines(scale: str, change: Mapping[str, Any] | None) -> list[str]:
    """The change in plain direction words, and one line a rule."""
    if change is None:
        return []
    here = clinic().instruments[InstrumentId(scale.split(".")[0])].scale(ScaleId(scale.split(".")[1]))
    baseline = clinic().programme.timepoint(change.get("from", "start")).title
    moved = change["direction"]
    if moved != "stayed the same":
        moved += (
            f" by {change['points']} point{'' if change['points'] == '1' else 's'} ({change['percent']}%)"
        )
    sentence = (
        f"From {baseline.lower()} to end of programme it {moved}. {here.better.value.capitalize()} is better."
    )
    titles = {rule.rule.rule_id: rule.title for rule in here.changes}
    return [
        sentence,
        *(f"{titles[rule]}: {verdict.split(',')[0]}" for rule, verdict in change["verdicts"].items()),
    ]


def measure_block(whole: str, scale: str) -> str:
    """The letter's text from the measure's heading to the next heading of a measure."""
    titles = [one.title for instrument in clinic().instruments.values() for one in instrument.scales]
    name, part = scale.split(".")
    title = clinic().instruments[InstrumentId(name)].scale(ScaleId(part)).title
    detail = whole.rpartition("Each measure ")[2]  # page one names the heading as well
    after = detail.partition(title)[2]
    ends = [after.find(other) for other in (*titles, "Part in the programme") if other in after]
    return after[: min(ends)] if ends else after


def in_words(day: str) -> str:
    """ "2026-03-02" as "2 March 2026"."""
    months = "January February March April May June July August September October November December"
    read = date.fromisoformat(day)
    return f"{read.day} {months.split()[read.month - 1]} {read.year}"
