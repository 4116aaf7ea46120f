"""Chooses each scale's baseline and computes the change at every later timepoint."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhir_pmp.identifiers import EpisodeId, InstrumentId, PersonId, ResourceId, ScaleId, TimepointId
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Response, ResponseStatus
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import day_of, is_within_window
from fhir_pmp.pathway.score_comparison import ScoreComparison


@dataclass(frozen=True, slots=True)
class ScoredResponse:
    """A response and its scores.

    There is one score for each scale of its instrument, in the instrument's order.
    """

    response: Response
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The score that changes of one scale count from."""

    timepoint: TimepointId
    response: Response
    score: Score
    score_id: ResourceId
    words: str  # "Start", or the other timepoint and the reason


@dataclass(frozen=True, slots=True)
class NoBaseline:
    """No usable baseline: the changes of this scale are not known."""

    words: str


@dataclass(frozen=True, slots=True)
class ScaleChange:
    """The change of one scale from its baseline to one later timepoint."""

    id: ResourceId
    person: PersonId
    episode: EpisodeId
    instrument: InstrumentId
    scale: ScaleId
    timepoint: TimepointId  # the later one
    baseline: TimepointId
    before: Response
    before_score: Score
    before_score_id: ResourceId
    after: Response
    after_score: Score
    after_score_id: ResourceId
    comparison: ScoreComparison
    unconfirmed: tuple[str, ...]  # rule_ids of the UNCONFIRMED rules behind either score

    @property
    def is_publishable(self) -> bool:
        """Whether it may be published: neither score rests on an UNCONFIRMED rule."""
        return not self.unconfirmed


ScoredByTimepoint = Mapping[TimepointId, ScoredResponse]
"""The responses of one episode to one instrument, by timepoint."""


def scale_changes(
    clinic: ClinicalContext, episode: Episode, scored: Iterable[ScoredResponse]
) -> list[ScaleChange]:
    """Computes every change since baseline of one episode, by instrument, timepoint and scale.

    Withdrawn responses are ignored. A scale without a score at baseline or later gives no change.
    """
    by_instrument: dict[InstrumentId, dict[TimepointId, ScoredResponse]] = {}
    for one in not_withdrawn(scored):
        by_instrument.setdefault(one.response.instrument, {})[one.response.timepoint] = one
    changes: list[ScaleChange] = []
    for instrument, by_timepoint in by_instrument.items():
        later = [
            by_timepoint[timepoint.id] for timepoint in clinic.programme.later if timepoint.id in by_timepoint
        ]
        if later:
            scales = range(len(clinic.instruments[instrument].scales))
            baselines = [find_baseline(clinic, episode, by_timepoint, position) for position in scales]
            for after in later:
                for position, baseline in enumerate(baselines):
                    change = change_since_baseline(clinic, baseline, after, position)
                    if change is not None:
                        changes.append(change)
    return changes


def not_withdrawn(scored: Iterable[ScoredResponse]) -> list[ScoredResponse]:
    """Returns the responses not withdrawn, oldest first: the newest overrides older ones."""
    kept = [one for one in scored if one.response.status is not ResponseStatus.ENTERED_IN_ERROR]
    return sorted(kept, key=_age_order) if len(kept) > 1 else kept


def find_baseline(
    clinic: ClinicalContext, episode: Episode, by_timepoint: ScoredByTimepoint, position: int
) -> Baseline | NoBaseline:
    """Chooses one scale's baseline: the start score, else a screening score shortly before.

    `position` is the scale's index in its instrument. A score outside its timepoint's window is no baseline.
    """
    if episode.started_on is None:
        return NoBaseline("no baseline: the start of the programme is not known")
    start, screening = clinic.programme.start, clinic.programme.screening
    scored_start = by_timepoint.get(start.id)
    if scored_start is not None and _is_usable_baseline(clinic, episode, start, scored_start, position):
        return _baseline(clinic, start, scored_start, position, start.title)
    why = f"{start.title} {_why_unusable(clinic, episode, start, scored_start)}"
    scored_screening = by_timepoint.get(screening.id)
    if scored_screening is not None and _is_usable_baseline(
        clinic, episode, screening, scored_screening, position
    ):
        days = (episode.started_on - day_of(scored_screening.response.authored, clinic.zone)).days
        if 0 <= days <= clinic.programme.baseline.within_days:
            words = f"{screening.title}, {_days_words(days)} before the start, because {why}"
            return _baseline(clinic, screening, scored_screening, position, words)
    limit = clinic.programme.baseline.within_days
    return NoBaseline(
        f"no baseline: {why}, and no {screening.title} score lies within {limit} days before it"
    )


def change_since_baseline(
    clinic: ClinicalContext, baseline: Baseline | NoBaseline, after: ScoredResponse, position: int
) -> ScaleChange | None:
    """Returns the change of one scale from its baseline; None if either score is missing."""
    after_score = after.scores[position]
    if isinstance(baseline, NoBaseline) or baseline.score.value is None or after_score.value is None:
        return None
    response, before = after.response, baseline.response
    scale = after_score.scale
    return ScaleChange(
        id=clinic.ids.change_id(response.episode, response.instrument, scale, response.timepoint),
        person=response.person,
        episode=response.episode,
        instrument=response.instrument,
        scale=scale,
        timepoint=response.timepoint,
        baseline=baseline.timepoint,
        before=before,
        before_score=baseline.score,
        before_score_id=baseline.score_id,
        after=response,
        after_score=after_score,
        after_score_id=clinic.ids.score_id(response.id, scale),
        comparison=clinic.compare(response.instrument, position)(baseline.score.value, after_score.value),
        unconfirmed=tuple(dict.fromkeys(baseline.score.unconfirmed + after_score.unconfirmed)),
    )


def _baseline(
    clinic: ClinicalContext, timepoint: Timepoint, one: ScoredResponse, position: int, words: str
) -> Baseline:
    score = one.scores[position]
    score_id = clinic.ids.score_id(one.response.id, score.scale)
    return Baseline(timepoint.id, one.response, score, score_id, words)


def _is_usable_baseline(
    clinic: ClinicalContext, episode: Episode, timepoint: Timepoint, one: ScoredResponse, position: int
) -> bool:
    has_score = one.scores[position].value is not None
    return has_score and is_within_window(timepoint, episode, one.response.authored, clinic.zone) is True


def _why_unusable(
    clinic: ClinicalContext, episode: Episode, timepoint: Timepoint, one: ScoredResponse | None
) -> str:
    if one is None:
        return "was not received"
    if is_within_window(timepoint, episode, one.response.authored, clinic.zone) is not True:
        return "lies outside its window"
    return "is not scorable"


def _days_words(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _age_order(one: ScoredResponse) -> tuple[str, str, str]:
    response = one.response
    return response.authored.on.isoformat(), response.authored.text, response.id
