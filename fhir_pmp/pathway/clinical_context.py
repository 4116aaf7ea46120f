"""Holds the clinic's instruments, programme, time zone and business ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import InstrumentId, ResourceId
from fhir_pmp.instruments.definition import Answers, Instrument, Score
from fhir_pmp.instruments.scoring import Checker, Scorer, compile_checker, compile_scorer
from fhir_pmp.pathway.business_ids import BusinessIds
from fhir_pmp.pathway.programme.definition import Programme
from fhir_pmp.pathway.score_comparison import CompareScores, compile_comparison


@dataclass(frozen=True, eq=False)
class ClinicalContext:
    """The clinic's instruments, programme, time zone and ids, with its scoring and comparisons compiled.

    Equality is identity: a cache of what is built for a clinic (JSON elements) uses it as its key.
    """

    instruments: Mapping[InstrumentId, Instrument]
    programme: Programme
    ids: BusinessIds
    zone: ZoneInfo
    _checkers: Mapping[InstrumentId, Checker] = field(init=False, repr=False, compare=False)
    _scorers: Mapping[InstrumentId, Scorer] = field(init=False, repr=False, compare=False)
    _comparisons: Mapping[InstrumentId, tuple[CompareScores, ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        # Compiled once: an import scores a hundred thousand responses.
        known = self.instruments.items()
        object.__setattr__(self, "_checkers", {name: compile_checker(one) for name, one in known})
        object.__setattr__(self, "_scorers", {name: compile_scorer(one) for name, one in known})
        compiled = {name: tuple(compile_comparison(scale) for scale in one.scales) for name, one in known}
        object.__setattr__(self, "_comparisons", compiled)

    def check(self, instrument: InstrumentId, answers: Mapping[str, object]) -> Answers:
        """Checks the answers. Raises AnswersNotUnderstood with every fault, KeyError for the instrument."""
        return self._checkers[instrument](answers)

    def scorer(self, instrument: InstrumentId) -> Scorer:
        """Returns the instrument's compiled scorer. Raises KeyError."""
        return self._scorers[instrument]

    def score(self, instrument: InstrumentId, answers: Answers) -> tuple[Score, ...]:
        """Returns one score for every scale of the instrument, in its order. Raises KeyError."""
        return self._scorers[instrument](answers)

    def compare(self, instrument: InstrumentId, position: int) -> CompareScores:
        """Returns the function that compares two exact scores; `position` is the scale's index.

        Raises KeyError, IndexError.
        """
        return self._comparisons[instrument][position]

    def provider_id(self) -> ResourceId:
        """Returns the id of our own Organization."""
        return self.ids.organization_id(self.programme.provider.identifier)
