"""Builds the one outcome summary that pages, API, command line and letters show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from fhir_pmp.identifiers import EpisodeId, InstrumentId, PersonId, ResponseId, TimepointId
from fhir_pmp.instruments.change_rules import RuleVerdict, Verdict
from fhir_pmp.instruments.change_rules import headline as headline_rule
from fhir_pmp.instruments.definition import Instrument, Scale, Score
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Flag, Moment, Person, Response, ResponseStatus
from fhir_pmp.pathway.plain_words import result_words
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import Absence, absence_of_score, next_due
from fhir_pmp.pathway.scale_changes import (
    Baseline,
    NoBaseline,
    ScaleChange,
    ScoredByTimepoint,
    ScoredResponse,
    change_since_baseline,
    find_baseline,
    not_withdrawn,
)
from fhir_pmp.pathway.summary.category_lines import CategoryLine, category_lines
from fhir_pmp.pathway.summary.engagement import Engagement, engagement_of
from fhir_pmp.pathway.summary.safety_lines import FlagLine, SafetyLine, flag_lines, safety_lines
from fhir_pmp.pathway.summary.summary_context import SummaryContext


class Outcome(StrEnum):
    """The outcome of one measure in a result line."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSENED = "worsened"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Headline:
    """The outcome of one measure at one later timepoint, by its headline rule."""

    outcome: Outcome
    verdict: RuleVerdict | None  # None if a score was missing
    reason: str | None  # why the outcome is not known


@dataclass(frozen=True, slots=True)
class TimepointCell:
    """One scale at one timepoint: a score with a value, or its absence's reason."""

    timepoint: TimepointId
    title: str
    response: ResponseId | None
    on: Moment | None
    score: Score | None
    absence: Absence | None
    amended: bool
    outside_window: bool  # known only once the start is known; such a score is no baseline
    change: ScaleChange | None  # since baseline, at later timepoints
    headline: Headline | None  # for measures (scales with a headline rule) at timepoints where they are due

    @property
    def text(self) -> str:
        """The published score, or the wording of the absence."""
        if self.absence is not None:
            return self.absence.text
        return (self.score.published if self.score is not None else None) or ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks to show with the score: blanks, proration, amendment, window."""
        notes = []
        if self.score is not None and self.score.value is not None and self.score.blanks:
            items = self.score.answered + self.score.blanks
            notes.append(f"{self.score.blanks} of {items} blank{', prorated' if self.score.prorated else ''}")
        if self.amended:
            notes.append("amended")
        if self.outside_window:
            notes.append("outside its window")
        return tuple(notes)


@dataclass(frozen=True, slots=True)
class ScaleOutcome:
    """One scale at all timepoints of the programme."""

    instrument: Instrument
    scale: Scale
    baseline: Baseline | NoBaseline
    cells: tuple[TimepointCell, ...]  # one for every timepoint, in the programme's order

    def at(self, timepoint: TimepointId) -> TimepointCell:
        """Returns the cell of that timepoint. Raises KeyError."""
        return {cell.timepoint: cell for cell in self.cells}[timepoint]


@dataclass(frozen=True, slots=True)
class ResultLine:
    """How many measures improved, stayed or worsened between baseline and one later timepoint."""

    timepoint: TimepointId
    improved: int
    unchanged: int
    worsened: int
    not_known: int

    @property
    def text(self) -> str:
        """ "Of 6 measures: 3 improved, 1 unchanged, 0 worsened, 2 not known"."""
        return result_words(self.improved, self.unchanged, self.worsened, self.not_known)


@dataclass(frozen=True, slots=True)
class Summary:
    """One episode's outcomes as of `made_at`."""

    person: PersonId
    episode: EpisodeId
    made_at: datetime
    engagement: Engagement
    scales: tuple[ScaleOutcome, ...]
    categories: tuple[CategoryLine, ...]
    safety: tuple[SafetyLine, ...]
    flags: tuple[FlagLine, ...]
    results: tuple[ResultLine, ...]  # one for every later timepoint
    next_due: tuple[TimepointId, date] | None
    made_from: tuple[tuple[ResponseId, int], ...]  # the responses used and their versions

    def result(self, timepoint: TimepointId) -> ResultLine:
        """Returns the result line of a later timepoint; letters use post. Raises KeyError."""
        return {line.timepoint: line for line in self.results}[timepoint]

    def measures(self, timepoint: TimepointId, outcome: Outcome) -> tuple[ScaleOutcome, ...]:
        """The measures with that outcome at the timepoint; a letter's "Deterioration" lists the worsened."""
        found = ((one, one.at(timepoint).headline) for one in self.scales)
        return tuple(one for one, headline in found if headline is not None and headline.outcome is outcome)

    @property
    def unacknowledged(self) -> tuple[FlagLine, ...]:
        """The flags without an acknowledgement; they block the signature of a discharge letter."""
        return tuple(line for line in self.flags if line.flag.acknowledgement is None)


def summarise(
    clinic: ClinicalContext,
    person: Person,
    episode: Episode,
    responses: Sequence[Response],
    flags: Sequence[Flag],
    now: datetime,
) -> Summary:
    """Builds the summary of one episode from its newest responses and its flags.

    Withdrawn responses are left out, but their flags stay. Responses and flags may come in any order. `now` is aware.
    """
    context = SummaryContext(clinic, episode, now)
    scored = not_withdrawn(
        ScoredResponse(one, clinic.score(one.instrument, one.answers)) for one in responses
    )
    at = {name: dict[TimepointId, ScoredResponse]() for name in clinic.programme.instruments}
    for one in scored:
        at[one.response.instrument][one.response.timepoint] = one
    current_responses = {
        (name, when): one.response for name, then in at.items() for when, one in then.items()
    }
    shown = _shown(clinic, at)
    scales = tuple(
        _scale_outcome(context, instrument, position, at[instrument.id])
        for instrument in shown
        for position in range(len(instrument.scales))
    )
    following = next_due(clinic.programme, episode, now, clinic.zone)
    return Summary(
        person=person.id,
        episode=episode.id,
        made_at=now,
        engagement=engagement_of(clinic.programme, episode),
        scales=scales,
        categories=category_lines(context, shown, current_responses),
        safety=safety_lines(context, current_responses, flags),
        flags=flag_lines(clinic, responses, flags),
        results=tuple(_result_line(timepoint, scales) for timepoint in clinic.programme.later),
        next_due=None if following is None else (following[0].id, following[1]),
        made_from=tuple(sorted((one.response.id, one.response.version) for one in scored)),
    )


def _shown(clinic: ClinicalContext, at: Mapping[InstrumentId, ScoredByTimepoint]) -> list[Instrument]:
    """Instruments that are due at some timepoint, and optional ones with a response."""
    due = {name for timepoint in clinic.programme.timepoints for name in timepoint.instruments}
    return [clinic.instruments[name] for name in clinic.programme.instruments if name in due or at[name]]


def _scale_outcome(
    context: SummaryContext, instrument: Instrument, position: int, at: ScoredByTimepoint
) -> ScaleOutcome:
    baseline = find_baseline(context.clinic, context.episode, at, position)
    cells = tuple(
        _cell(context, timepoint, instrument, position, at.get(timepoint.id), baseline)
        for timepoint in context.clinic.programme.timepoints
    )
    return ScaleOutcome(instrument, instrument.scales[position], baseline, cells)


def _cell(
    context: SummaryContext,
    timepoint: Timepoint,
    instrument: Instrument,
    position: int,
    one: ScoredResponse | None,
    baseline: Baseline | NoBaseline,
) -> TimepointCell:
    is_later = timepoint in context.clinic.programme.later
    score, absence, change, headline = None, None, None, None
    if one is None:
        absence = context.absence(timepoint, instrument.id)
    else:
        score = one.scores[position]
        absence = absence_of_score(score) if score.value is None else None
        change = change_since_baseline(context.clinic, baseline, one, position) if is_later else None
    counted = headline_rule(instrument.scales[position]) is not None
    if is_later and counted and instrument.id in timepoint.instruments:
        headline = _headline(change, baseline.words if absence is None else absence.text)
    response = None if one is None else one.response
    return TimepointCell(
        timepoint=timepoint.id,
        title=timepoint.title,
        response=None if response is None else response.id,
        on=None if response is None else response.authored,
        score=score,
        absence=absence,
        amended=response is not None and response.status is ResponseStatus.AMENDED,
        outside_window=response is not None and context.is_outside_window(timepoint, response),
        change=change,
        headline=headline,
    )


_OUTCOME_OF_VERDICT = {
    Verdict.IMPROVED: Outcome.IMPROVED,
    Verdict.UNCHANGED: Outcome.UNCHANGED,
    Verdict.WORSENED: Outcome.WORSENED,
    Verdict.NOT_ASSESSABLE: Outcome.NOT_KNOWN,
}


def _headline(change: ScaleChange | None, why_none: str) -> Headline:
    verdict = None if change is None else change.comparison.headline
    if change is None or verdict is None:
        return Headline(Outcome.NOT_KNOWN, None, why_none)
    if change.unconfirmed or verdict.rule.rule.rule_id in change.comparison.unconfirmed_rules:
        return Headline(Outcome.NOT_KNOWN, verdict, "rests on a rule that is not confirmed")
    return Headline(_OUTCOME_OF_VERDICT[verdict.verdict], verdict, verdict.reason)


def _result_line(timepoint: Timepoint, scales: Sequence[ScaleOutcome]) -> ResultLine:
    headlines = [one.at(timepoint.id).headline for one in scales]
    counts = Counter(headline.outcome for headline in headlines if headline is not None)
    return ResultLine(
        timepoint=timepoint.id,
        improved=counts[Outcome.IMPROVED],
        unchanged=counts[Outcome.UNCHANGED],
        worsened=counts[Outcome.WORSENED],
        not_known=counts[Outcome.NOT_KNOWN],
    )
