"""Writes the safety section: alerts, safety items at each timepoint, and actions taken."""

from collections.abc import Iterator

from fhir_pmp.letters.text.letter_content import Block, Bullets, Paragraph, ParagraphStyle
from fhir_pmp.letters.text.letter_facts import LetterFacts
from fhir_pmp.letters.text.letter_wording import Wording, join_words, lower_first
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import day_of, today
from fhir_pmp.pathway.summary.outcome_summary import Summary
from fhir_pmp.pathway.summary.safety_lines import FlagLine, SafetyLine


def safety_blocks(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> tuple[Block, ...]:
    """The safety section, independent of every total."""
    blocks: list[Block] = []
    by_item = list(_by_item(wording, summary))
    for name, lines in by_item:
        blocks.extend(_warnings(wording, name, lines))
    if facts.fields.safety_actions.strip():
        actions = wording.sentence("actions_taken", actions=facts.fields.safety_actions.strip())
        blocks.append(Paragraph(actions))
    if summary.flags:
        flags = tuple(_flag(clinic, wording, line) for line in summary.flags)
        blocks.append(Bullets(wording.sentence("flags_title"), flags))
    blocks.extend(
        Bullets(name, tuple(_line(clinic, wording, line) for line in lines)) for name, lines in by_item
    )
    return tuple(blocks)


def safety_entries(clinic: ClinicalContext, summary: Summary) -> tuple[str, ...]:
    """The Observations of the safety answers, and the Flags."""
    answers = [
        f"Observation/{clinic.ids.answer_id(line.response, line.item)}"
        for line in summary.safety
        if line.response is not None
    ]
    return (*answers, *(f"Flag/{line.flag.id}" for line in summary.flags))


def _by_item(wording: Wording, summary: Summary) -> Iterator[tuple[str, list[SafetyLine]]]:
    for item in dict.fromkeys(line.item for line in summary.safety):
        lines = [line for line in summary.safety if line.item == item]
        yield wording.safety_item(item, lines[0].title), lines


def _warnings(wording: Wording, name: str, lines: list[SafetyLine]) -> Iterator[Paragraph]:
    alerts = [lower_first(line.timepoint_title) for line in lines if line.alert]
    if alerts:
        yield Paragraph(
            wording.sentence("alert", item=name, timepoints=join_words(alerts)), ParagraphStyle.ALERT
        )
    unanswered = [lower_first(line.timepoint_title) for line in lines if line.unanswered]
    if unanswered:
        yield Paragraph(
            wording.sentence("unanswered", item=name, timepoints=join_words(unanswered)), ParagraphStyle.ALERT
        )


def _line(clinic: ClinicalContext, wording: Wording, line: SafetyLine) -> str:
    if line.on is None:
        return wording.sentence("safety_absent", timepoint=line.timepoint_title, absence=line.text)
    date = plain_date(day_of(line.on, clinic.zone))
    text = wording.sentence("safety_line", timepoint=line.timepoint_title, date=date, answer=line.text)
    return wording.sentence("noted", line=text, notes=wording.sentence("amended")) if line.amended else text


def _flag(clinic: ClinicalContext, wording: Wording, line: FlagLine) -> str:
    done = line.flag.acknowledgement
    words = {"timepoint": line.timepoint_title, "answer": line.text}
    if done is None:
        return wording.sentence("flag_open", **words)
    words |= {"date": plain_date(today(done.at, clinic.zone)), "name": done.by, "action": done.action.strip()}
    if line.since is None:
        return wording.sentence("flag", **words)
    return wording.sentence("flag_since", since=line.since, **words)
