"""What happened in one schedule, as values: all that the checker sees, and nothing of the program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Content = Mapping[str, Any]
"""A resource without `meta`."""


@dataclass(frozen=True, slots=True)
class VersionCommitted:
    """We committed a version of a resource. What one transaction committed bears one `event`."""

    at: int
    event: int
    seq: int
    reference: str  # our `Type/id`
    version: int
    content: Content
    person: str | None
    is_record: bool  # of the record side, which the consent covers
    is_shared: bool  # whether the person's consent covered it as it was committed


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """We committed what a person's consent is from now on."""

    at: int
    person: str
    is_shared: bool


@dataclass(frozen=True, slots=True)
class SafetyRowsChanged:
    """What the tables hold after a commit: responses whose safety item was answered as a risk, and flags for responses."""

    at: int
    at_risk: frozenset[str]
    flagged: frozenset[str]


@dataclass(frozen=True, slots=True)
class RequestMade:
    """One request of ours: `at` as it began, `until` as its answer reached us or failed to."""

    at: int
    until: int
    process: int
    clock: float  # our clock as it began, seconds
    clock_until: float
    method: str
    path: str
    call_result: str  # "answered", "lost" (sent, no whole answer), "not sent", "died"
    status: int | None
    after_seconds: float | None  # Retry-After, as far as it can be read
    reached_ehr: bool = False  # whether the EHR got it


@dataclass(frozen=True, slots=True)
class RemoteVersionStored:
    """From `at` on this stood at the EHR under a place; no content: it was deleted."""

    at: int
    remote_reference: str  # its `Type/id`
    version: int
    content: Content | None
    by: int | None  # the `at` of the request of ours that wrote it; None: somebody else


@dataclass(frozen=True, slots=True)
class EhrEmptied:
    """The EHR was restarted with nothing of ours."""

    at: int


@dataclass(frozen=True, slots=True)
class DeliveryStateChanged:
    """A delivery left the way of those that are sent, or came back to it."""

    at: int
    seq: int  # of the version
    state: str


@dataclass(frozen=True, slots=True)
class LaneClaimed:
    """A process of ours took a person's lane, or the one that all share, for itself."""

    at: int
    process: int
    lane: str
    clock: float  # our clock then, seconds
    previous_lease_until: (
        float | None
    )  # until when the lease ran that stood there before; None: the lane had been given back


@dataclass(frozen=True, slots=True)
class DeliveryAcknowledged:
    """A process of ours wrote down that the EHR has a version."""

    at: int
    process: int
    lane: str
    seq: int  # of the version


@dataclass(frozen=True, slots=True)
class ProcessContinued:
    """A process of ours did what it had begun, and lives: what it had been answered it has written down."""

    at: int
    process: int


@dataclass(frozen=True, slots=True)
class ProcessKilled:
    """A process of ours was killed."""

    at: int
    process: int


@dataclass(frozen=True, slots=True)
class ProcessStopped:
    """A process of ours was asked to end, and did: a call without an answer it may have cut off itself."""

    at: int
    process: int


@dataclass(frozen=True, slots=True)
class BackoffCleared:
    """What the EHR had asked for before counts no more: an operator said so, or our clock was set back."""

    at: int


HistoryEvent = (
    VersionCommitted
    | ConsentChanged
    | SafetyRowsChanged
    | RequestMade
    | RemoteVersionStored
    | EhrEmptied
    | DeliveryStateChanged
    | LaneClaimed
    | DeliveryAcknowledged
    | ProcessContinued
    | ProcessKilled
    | ProcessStopped
    | BackoffCleared
)


@dataclass(frozen=True, slots=True)
class FinalDelivery:
    """One delivery as it stands at the end."""

    seq: int  # of the version
    reference: str
    version: int
    state: str
    reason: str | None


@dataclass
class History:
    """Everything, in the order in which it happened."""

    named_by_server: bool = False
    theirs: bool = False  # the EHR keeps its own Patients: ours are found among them and never written
    events: list[HistoryEvent] = field(default_factory=list)
    deliveries: list[FinalDelivery] = field(default_factory=list)
    work_items: frozenset[tuple[str, str]] = frozenset()  # (kind, about) of what is open at the end
    is_reconciled: bool = False  # at the end both sides were compared, and what was missing sent again
    replay_count: int = 0  # times an operator sent something again
    audited_replay_count: int = 0  # times the audit says so

    def events_of(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if type(event) is kind]
