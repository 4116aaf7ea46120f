"""Summarises a person's engagement: dates, lessons, and which programme criteria are met."""

from dataclasses import dataclass
from datetime import date

from fhir_pmp.instruments.definition import Rule, RuleStatus
from fhir_pmp.pathway.facts import Episode, EpisodeState
from fhir_pmp.pathway.programme.definition import Programme, lessons_done


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """Whether a criterion of the programme is met, with the rule that defines it."""

    is_met: bool
    rule: Rule

    @property
    def unconfirmed(self) -> bool:
        """Whether the rule is UNCONFIRMED: shown on pages with that mark, never in a letter."""
        return self.rule.status is RuleStatus.UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Engagement:
    """A person's engagement as letters and pages show it."""

    state: EpisodeState
    enrolled_on: date | None
    started_on: date | None
    ended_on: date | None
    lessons: int  # completed
    lessons_offered: int
    commenced: CriterionResult
    completed_all: CriterionResult
    completed_majority: CriterionResult
    end_reason: str | None

    @property
    def lessons_text(self) -> str:
        """ "3 of 5 lessons"."""
        return f"{self.lessons} of {self.lessons_offered} lessons"


def engagement_of(programme: Programme, episode: Episode) -> Engagement:
    """Returns the engagement of one episode."""
    commenced, whole, majority = programme.commenced, programme.completed_all, programme.completed_majority
    return Engagement(
        state=episode.state,
        enrolled_on=episode.enrolled_on,
        started_on=episode.started_on,
        ended_on=episode.ended_on,
        lessons=lessons_done(episode),
        lessons_offered=len(programme.lessons),
        commenced=CriterionResult(commenced.is_met_by(episode), commenced.rule),
        completed_all=CriterionResult(whole.is_met_by(episode), whole.rule),
        completed_majority=CriterionResult(majority.is_met_by(episode), majority.rule),
        end_reason=episode.end_reason,
    )
