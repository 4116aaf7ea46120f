"""Defines the programme: provider, lessons, timepoints and the rules of commencing and completing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import Identifier, InstrumentId, TimepointId
from fhir_pmp.instruments.definition import Rule
from fhir_pmp.pathway.facts import Episode


class UnknownTimepoint(NotUnderstood):
    """The programme has no timepoint of that name."""


class InstrumentNotOffered(NotUnderstood):
    """The programme does not offer that instrument at that timepoint."""


class TimepointRole(StrEnum):
    """The purpose of a timepoint."""

    SCREENING = "screening"  # before the programme; the baseline if there is no usable start score
    START = "start"  # the baseline
    POST = "post"  # the end of the programme; letters report this timepoint
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address, with the parts of FHIR's Address."""

    lines: tuple[str, ...]
    city: str
    state: str | None
    postal_code: str
    country: str  # ISO 3166 two letters


@dataclass(frozen=True, slots=True)
class CrisisText:
    """The advice for a person in crisis in one region, with its source."""

    region: str
    text: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Provider:
    """The organization that runs the programme, as letters and our Organization show it."""

    name: str
    identifier: Identifier
    address: Address
    phone: str
    email: str
    region: str
    crisis_texts: Mapping[str, CrisisText]  # by region

    @property
    def crisis(self) -> CrisisText:
        """The crisis text of the provider's own region."""
        return self.crisis_texts[self.region]


@dataclass(frozen=True, slots=True)
class LessonTitle:
    """One lesson of the programme."""

    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Timepoint:
    """A timepoint at which questionnaires are answered; days count from the start of the programme."""

    id: TimepointId
    title: str
    role: TimepointRole
    opens_day: int  # first day of the window, included
    closes_day: int  # last day of the window, included
    due_day: int | None  # None: due on the day of enrolment
    instruments: tuple[InstrumentId, ...]  # due
    optional: tuple[InstrumentId, ...] = ()  # accepted, never due

    def offers(self, instrument: InstrumentId) -> bool:
        """Whether a response to this instrument is accepted at this timepoint."""
        return instrument in self.instruments or instrument in self.optional


def lessons_done(episode: Episode) -> int:
    """How many different lessons are completed."""
    return len({lesson.number for lesson in episode.lessons})


class CommencedBy(StrEnum):
    """The two ways to decide that a person has commenced."""

    START_DATE = "start_date"  # the platform gave the day the programme was started
    LESSONS = "lessons"  # a number of lessons is completed


@dataclass(frozen=True, slots=True)
class CommencementRule:
    """The rule that decides whether a person has commenced."""

    rule: Rule
    by: CommencedBy
    lessons: int = 1  # used with LESSONS only

    def is_met_by(self, episode: Episode) -> bool:
        """Whether the episode has commenced."""
        if self.by is CommencedBy.START_DATE:
            return episode.started_on is not None
        return lessons_done(episode) >= self.lessons


@dataclass(frozen=True, slots=True)
class CompletionRule:
    """How many lessons count as completed (all of them, or the majority)."""

    rule: Rule
    lessons: int

    def is_met_by(self, episode: Episode) -> bool:
        """Whether the episode has at least that many completed lessons."""
        return lessons_done(episode) >= self.lessons


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """How near before the start a screening score may be to serve as baseline.

    The baseline is the start score, else a screening score at most `within_days` before the start.
    """

    rule: Rule
    within_days: int


@dataclass(frozen=True)
class Programme:
    """The checked content of mappings/programme.yaml."""

    title: str
    version: str
    provider: Provider
    lessons: tuple[LessonTitle, ...]
    timepoints: tuple[Timepoint, ...]  # in the order of their windows
    windows: Rule  # the source of the windows and due days
    baseline: BaselineRule
    commenced: CommencementRule
    completed_all: CompletionRule
    completed_majority: CompletionRule
    _by_id: Mapping[str, Timepoint] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {timepoint.id: timepoint for timepoint in self.timepoints})

    def timepoint(self, timepoint: str) -> Timepoint:
        """Returns the timepoint of that id. Raises UnknownTimepoint."""
        found = self._by_id.get(timepoint)
        if found is None:
            raise UnknownTimepoint(f"is none of {', '.join(self._by_id)}", field="timepoint")
        return found

    def check_offered(self, timepoint: str, instrument: InstrumentId) -> Timepoint:
        """Returns the timepoint if it offers the instrument. Raises UnknownTimepoint, InstrumentNotOffered."""
        found = self.timepoint(timepoint)
        if not found.offers(instrument):
            offered = ", ".join((*found.instruments, *found.optional))
            raise InstrumentNotOffered(f"{found.id} offers {offered}", field="instrument")
        return found

    @cached_property
    def later(self) -> tuple[Timepoint, ...]:
        """The timepoints at which change since baseline is judged, in order."""
        return tuple(t for t in self.timepoints if t.role in (TimepointRole.POST, TimepointRole.FOLLOW_UP))

    @cached_property
    def start(self) -> Timepoint:
        """The timepoint that is the baseline."""
        return self._of(TimepointRole.START)

    @cached_property
    def screening(self) -> Timepoint:
        """The timepoint that gives the baseline if there is no usable start score."""
        return self._of(TimepointRole.SCREENING)

    @cached_property
    def post(self) -> Timepoint:
        """The timepoint at the end of the programme."""
        return self._of(TimepointRole.POST)

    @cached_property
    def instruments(self) -> tuple[InstrumentId, ...]:
        """Every instrument of the programme, each once; instruments that are due come first."""
        due = [instrument for timepoint in self.timepoints for instrument in timepoint.instruments]
        optional = [instrument for timepoint in self.timepoints for instrument in timepoint.optional]
        return tuple(dict.fromkeys(due + optional))

    def _of(self, role: TimepointRole) -> Timepoint:
        return next(timepoint for timepoint in self.timepoints if timepoint.role is role)
