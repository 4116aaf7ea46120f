"""The only outcome summary: pages, API, command and letters all say what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from fhir_pmp.identifiers import EpisodeId, InstrumentId, LinkId, PersonId, ResponseId, TimepointId
from fhir_pmp.instruments.change import RuleVerdict, Verdict
from fhir_pmp.instruments.definition import Instrument, Scale, Score
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.engagement import Engagement, engagement_of
from fhir_pmp.pathway.facts import Episode, Flag, Moment, Person, Response, ResponseStatus
from fhir_pmp.pathway.outcomes import (
    At,
    Baseline,
    NoBaseline,
    ScaleChange,
    Scored,
    change_since,
    find_baseline,
    standing,
)
from fhir_pmp.pathway.programme import Timepoint
from fhir_pmp.pathway.safety import FlagLine, SafetyLine, answer_text, flag_lines, safety_lines
from fhir_pmp.pathway.timepoints import Absence, absence_of_response, absence_of_score, fits, next_due
from fhir_pmp.pathway.wording import result_words


class Outcome(StrEnum):
    """How a result line counts one measure."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSENED = "worsened"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Headline:
    """One measure at one later timepoint, by its headline rule."""

    outcome: Outcome
    verdict: RuleVerdict | None  # None where there was nothing to judge
    reason: str | None  # why it is not known


@dataclass(frozen=True, slots=True)
class TimepointCell:
    """One scale at one timepoint. Either the score has a value or the absence says why not."""

    timepoint: TimepointId
    title: str
    response: ResponseId | None
    on: Moment | None
    score: Score | None
    absence: Absence | None
    amended: bool
    outside_window: bool  # became so when the start was learnt; such a score is no baseline
    change: ScaleChange | None  # since baseline, at later timepoints
    headline: Headline | None  # for measures (scales with a headline rule) where they are due

    @property
    def text(self) -> str:
        """The published score, or the wording of the absence."""
        if self.absence is not None:
            return self.absence.text
        return (self.score.published if self.score is not None else None) or ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know beside the score: blanks, proration, amendment."""
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
    """One scale through the whole programme."""

    instrument: Instrument
    scale: Scale
    baseline: Baseline | NoBaseline
    cells: tuple[TimepointCell, ...]  # one for every timepoint, in the programme's order

    def at(self, timepoint: TimepointId) -> TimepointCell:
        """The cell of that timepoint. Raises StopIteration."""
        return next(cell for cell in self.cells if cell.timepoint == timepoint)


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """One item of an instrument that has no scale (satisfaction, impression of change) at one timepoint."""

    instrument: InstrumentId
    instrument_title: str
    item: LinkId
    title: str
    timepoint: TimepointId
    timepoint_title: str
    on: Moment | None
    answer: int | None
    text: str  # the answer's label, "not answered", or the wording of the absence
    absence: Absence | None
    amended: bool


@dataclass(frozen=True, slots=True)
class ResultLine:
    """How many measures went which way between baseline and one later timepoint."""

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
    made_from: tuple[tuple[ResponseId, int], ...]  # the responses that stand and their versions

    def result(self, timepoint: TimepointId) -> ResultLine:
        """The result line of a later timepoint; a letter takes that of post. Raises StopIteration."""
        return next(line for line in self.results if line.timepoint == timepoint)

    def measures(self, timepoint: TimepointId, outcome: Outcome) -> tuple[ScaleOutcome, ...]:
        """The measures that went that way at the timepoint (a letter's "Deterioration" names the worsened)."""
        found = ((one, one.at(timepoint).headline) for one in self.scales)
        return tuple(one for one, headline in found if headline is not None and headline.outcome is outcome)

    @property
    def unacknowledged(self) -> tuple[FlagLine, ...]:
        """The flags nobody has acted on: a discharge letter cannot be signed while there is one."""
        return tuple(line for line in self.flags if line.flag.acknowledgement is None)
