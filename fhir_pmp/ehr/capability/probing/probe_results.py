"""What one probe found, and what a whole table of probes came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.ehr.config.destinations import WriteStrategy


class Honoured(StrEnum):
    """Whether the server does what FHIR describes."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"
    UNKNOWN = "unknown"  # it could not be found out, and `seen` says why


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe saw."""

    honoured: Honoured
    seen: str
    seconds: float | None = None  # where something was measured


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """One line of the table."""

    name: str
    title: str
    result: ProbeResult
    claimed: str  # what the CapabilityStatement says of it


@dataclass(frozen=True, slots=True)
class Choice:
    """The write strategy that follows from the findings, with the reason against each other one."""

    strategy: WriteStrategy
    why: str
    strategies: Mapping[WriteStrategy, str]


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The whole table. `left` is what was made and could not be removed."""

    address: str
    kind: str  # the type that was written
    findings: Sequence[ProbeFinding]
    choice: Choice | None  # None: nothing was written, so nothing is proven
    remains: Sequence[str]

    def find(self, name: str) -> ProbeResult | None:
        """What the probe of that name saw, if it ran."""
        return next((finding.result for finding in self.findings if finding.name == name), None)


def yes(seen: str, seconds: float | None = None) -> ProbeResult:
    """Honoured."""
    return ProbeResult(Honoured.YES, seen, seconds)


def no(seen: str, seconds: float | None = None) -> ProbeResult:
    """Not honoured."""
    return ProbeResult(Honoured.NO, seen, seconds)


def partly(seen: str, seconds: float | None = None) -> ProbeResult:
    """Honoured to a degree that `seen` names."""
    return ProbeResult(Honoured.PARTLY, seen, seconds)


def unknown(seen: str) -> ProbeResult:
    """It could not be found out."""
    return ProbeResult(Honoured.UNKNOWN, seen)
