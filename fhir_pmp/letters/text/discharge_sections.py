"""Writes the sections of the discharge letter, with one layout for every way of ending."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from fhir_pmp.letters.text.letter_content import Block, Bullets, Paragraph, ParagraphStyle, Section, printable
from fhir_pmp.letters.text.letter_facts import LONGEST_FIELD, LetterFacts, LetterFields
from fhir_pmp.letters.text.letter_wording import Wording, join_words, lower_first
from fhir_pmp.letters.text.measure_section import (
    build_overview_table,
    measure_blocks,
    measure_entries,
    reportable_scales,
)
from fhir_pmp.letters.text.safety_section import safety_blocks, safety_entries
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.definition import Timepoint, TimepointRole
from fhir_pmp.pathway.programme.timepoints import Absence, AbsenceKind, absence_of_response
from fhir_pmp.pathway.summary.outcome_summary import Outcome, Summary


def page_one(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> tuple[Section, ...]:
    """The sections of page one: result, safety, requests to the GP, next contact, comment."""
    return build_sections(
        wording,
        {
            "result": tuple(_result(clinic, wording, facts, summary)),
            "safety": safety_blocks(clinic, wording, facts, summary),
            "requests": paragraphs(facts.fields.gp_actions),
            "contact": tuple(_contact(clinic, wording, facts, summary)),
            "comment": paragraphs(facts.fields.comment),
        },
        {"safety": safety_entries(clinic, summary)},
    )


def details(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> tuple[Section, ...]:
    """The sections after page one."""
    table = build_overview_table(clinic, wording, summary)
    return build_sections(
        wording,
        {
            "glance": () if table is None else (table,),
            "measures": measure_blocks(clinic, wording, summary),
            "programme": tuple(_programme(clinic, wording, facts, summary)),
            "view": tuple(_own_view(wording, summary)),
            "provenance": tuple(_provenance(wording, summary)),
        },
        {"measures": measure_entries(clinic, summary), "programme": (f"EpisodeOfCare/{facts.episode.id}",)},
    )


def build_sections(
    wording: Wording,
    blocks: Mapping[str, tuple[Block, ...]],
    entries: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Section, ...]:
    """Builds the sections that have content, with their headings and codes."""
    return tuple(
        Section(name, wording.heading(name), wording.code(name), found, entries.get(name, ()))
        for name, found in blocks.items()
        if found
    )


def propose_fields(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> LetterFields:
    """Proposes the fields of a new draft, which the clinician edits before signing."""
    later = [timepoint.id for timepoint in clinic.programme.later]
    worse = [one.scale.title for when in later for one in summary.measures(when, Outcome.WORSENED)]
    asked = []
    if worse:
        names = [lower_first(name) for name in dict.fromkeys(worse)]
        asked.append(wording.request("worsened", measures=join_words(names)))
    if any(line.alert or line.unanswered for line in summary.safety):
        asked.append(wording.request("safety"))
    if not asked:
        asked.append(wording.request("usual"))
    if facts.episode.state in (EpisodeState.STOPPED, EpisodeState.NEVER_STARTED):
        asked.append(wording.request("return", given=facts.person.given))
    # The platform's text may hold control characters; a field takes printable text only.
    reason = printable(facts.episode.end_reason or "")[:LONGEST_FIELD]
    return LetterFields(gp_actions=" ".join(asked), stop_reason=reason.replace("\ufffd", " ").strip())


def paragraphs(text: str) -> tuple[Paragraph, ...]:
    """A clinician's text as one paragraph for each line."""
    return tuple(Paragraph(line.strip()) for line in text.splitlines() if line.strip())


def _result(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> Iterator[Paragraph]:
    yield Paragraph(_ending(wording, facts, summary), ParagraphStyle.STRONG)
    reason = facts.fields.stop_reason.strip()
    if reason and facts.episode.state is EpisodeState.STOPPED:
        yield Paragraph(wording.sentence("stop_reason", reason=reason))
    elif reason and facts.episode.state is EpisodeState.NEVER_STARTED:
        yield Paragraph(wording.sentence("not_start_reason", reason=reason))
    post = clinic.programme.post
    result = summary.result(post.id)
    yield Paragraph(wording.sentence("result", counts=result.text), ParagraphStyle.STRONG)
    for timepoint in clinic.programme.later:
        worse = [
            one.scale.title
            for one in summary.measures(timepoint.id, Outcome.WORSENED)
            if one in reportable_scales(summary)
        ]
        if worse and timepoint is post:
            yield Paragraph(wording.sentence("worsened", measures=", ".join(worse)), ParagraphStyle.STRONG)
        elif worse:
            title = lower_first(timepoint.title)
            sentence = wording.sentence("worsened_later", timepoint=title, measures=", ".join(worse))
            yield Paragraph(sentence, ParagraphStyle.STRONG)
    if result.improved or result.unchanged or result.worsened:
        yield Paragraph(wording.sentence("counted", timepoint=lower_first(post.title)), ParagraphStyle.SMALL)


def _ending(wording: Wording, facts: LetterFacts, summary: Summary) -> str:
    episode, lessons = facts.episode, summary.engagement.lessons_text
    if episode.state is EpisodeState.NEVER_STARTED:
        if episode.enrolled_on is not None:
            return wording.sentence("never_started", date=plain_date(episode.enrolled_on))
        return wording.sentence("never_enrolled" if episode.enrolment is None else "never_started_undated")
    assert episode.ended_on is not None  # a discharge letter is due once the episode has ended
    name = "stopped" if episode.state is EpisodeState.STOPPED else "finished"
    return wording.sentence(name, date=plain_date(episode.ended_on), lessons=lessons)


def _contact(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> Iterator[Block]:
    planned = []
    for timepoint in clinic.programme.later:
        kind = _absence(clinic, facts, timepoint).kind
        to_come = timepoint.role is TimepointRole.FOLLOW_UP or kind is AbsenceKind.NOT_YET_DUE
        if to_come and kind is not AbsenceKind.NOT_OFFERED:
            planned.append(_status_line(clinic, wording, "next_contact", facts, summary, timepoint))
    yield Bullets(None, tuple(planned)) if planned else Paragraph(wording.sentence("no_contact"))
    provider = clinic.programme.provider
    yield Paragraph(wording.sentence("back", provider=provider.name, phone=provider.phone))


def _programme(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, summary: Summary
) -> Iterator[Block]:
    episode, lines = facts.episode, []
    if episode.enrolled_on is not None:
        lines.append(wording.sentence("enrolled", date=plain_date(episode.enrolled_on)))
    if episode.started_on is not None:
        lines.append(wording.sentence("started", date=plain_date(episode.started_on)))
        lessons = summary.engagement.lessons_text
        dates = join_words([plain_date(lesson.completed_on) for lesson in episode.lessons])
        name, words = ("lessons", {"dates": dates}) if dates else ("lessons_none", {})
        lines.append(wording.sentence(name, lessons=lessons, **words))
    if lines:
        yield Bullets(None, tuple(lines))
    received = tuple(
        _status_line(clinic, wording, "questionnaires", facts, summary, timepoint)
        for timepoint in clinic.programme.timepoints
    )
    yield Bullets(wording.sentence("questionnaires_title"), received)


def _status_line(
    clinic: ClinicalContext,
    wording: Wording,
    sentence: str,
    facts: LetterFacts,
    summary: Summary,
    timepoint: Timepoint,
) -> str:
    answered = _answered(summary, timepoint)
    if answered:
        due = len(set(timepoint.instruments) | answered)
        status = wording.sentence("received_of", received=len(answered), due=due)
    else:
        status = _absence(clinic, facts, timepoint).text
    return wording.sentence(sentence, timepoint=timepoint.title, status=status)


def _answered(summary: Summary, timepoint: Timepoint) -> set[str]:
    scored = {one.instrument.id for one in summary.scales if one.at(timepoint.id).response is not None}
    categorised = {
        line.instrument for line in summary.categories if line.timepoint == timepoint.id and not line.absence
    }
    return scored | categorised


def _absence(clinic: ClinicalContext, facts: LetterFacts, timepoint: Timepoint) -> Absence:
    return absence_of_response(timepoint, facts.episode, timepoint.instruments[0], facts.made_at, clinic.zone)


def _own_view(wording: Wording, summary: Summary) -> Iterator[Bullets]:
    lines = tuple(
        wording.sentence("own_view", title=line.title, answer=line.text)
        for line in summary.categories
        if line.answer is not None
    )
    if lines:
        yield Bullets(None, lines)


def _provenance(wording: Wording, summary: Summary) -> Iterator[Block]:
    yield Paragraph(wording.sentence("screening_not_diagnosis"))
    yield Paragraph(wording.sentence("not_collected"))
    yield Bullets(None, tuple(_versions(wording, summary)))


def _versions(wording: Wording, summary: Summary) -> Iterator[str]:
    for one in reportable_scales(summary):
        if not any(cell.response is not None for cell in one.cells):
            continue
        scale = one.scale
        rules = [scale.rule, *(bands.rule for bands in scale.band_sets[:1])]
        if any(cell.score is not None and cell.score.blanks for cell in one.cells):
            rules.append(scale.blanks.rule)
        changed = [cell.change.comparison for cell in one.cells if cell.change is not None]
        rules += [verdict.rule.rule for verdict in changed[0].confirmed] if changed else []
        yield wording.sentence(
            "versions",
            measure=one.scale.title,
            instrument=one.instrument.title,
            version=one.instrument.version,
            rules=_rules(wording, [(rule.rule_id, rule.version) for rule in rules]),
        )


def _rules(wording: Wording, rules: Sequence[tuple[str, int]]) -> str:
    return ", ".join(
        wording.sentence("rule", rule_id=name, version=version) for name, version in dict.fromkeys(rules)
    )
