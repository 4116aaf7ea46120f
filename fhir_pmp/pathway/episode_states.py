"""The moves an episode can make, as one table, and what the Task and the EpisodeOfCare say in each state."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import NotAllowed
from fhir_pmp.pathway.facts import Episode, EpisodeState


class MoveNotListed(NotAllowed):
    """An episode in this state cannot make that move."""


class EpisodeEvent(StrEnum):
    """What moves an episode."""

    ACCEPT = "accept"
    DECLINE = "decline"  # at the signing of the decline letter
    CANCEL = "cancel"
    ENROL = "enrol"
    COMMENCE = "commence"
    FINISH = "finish"
    STOP = "stop"
    NEVER_START = "never_start"


class Actor(StrEnum):
    """Who may cause a move."""

    CLINICIAN = "clinician"
    GP = "gp"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the table. `before` None: the episode begins here."""

    before: EpisodeState | None
    event: EpisodeEvent
    after: EpisodeState
    by: frozenset[Actor]


_CLINICIAN = frozenset({Actor.CLINICIAN})
_GP = frozenset({Actor.GP})
_PLATFORM = frozenset({Actor.PLATFORM})
_PLATFORM_OR_CLINICIAN = frozenset({Actor.PLATFORM, Actor.CLINICIAN})

MOVES: tuple[Move, ...] = (
    Move(None, EpisodeEvent.ENROL, EpisodeState.ENROLLED, _PLATFORM),  # came with an export, nobody referred
    Move(EpisodeState.REFERRED, EpisodeEvent.ACCEPT, EpisodeState.ACCEPTED, _CLINICIAN),
    Move(EpisodeState.REFERRED, EpisodeEvent.DECLINE, EpisodeState.DECLINED, _CLINICIAN),
    Move(EpisodeState.REFERRED, EpisodeEvent.CANCEL, EpisodeState.CANCELLED, _GP),
    Move(EpisodeState.ACCEPTED, EpisodeEvent.CANCEL, EpisodeState.CANCELLED, _GP),
    Move(EpisodeState.ACCEPTED, EpisodeEvent.ENROL, EpisodeState.ENROLLED, _PLATFORM),
    Move(EpisodeState.ACCEPTED, EpisodeEvent.NEVER_START, EpisodeState.NEVER_STARTED, _PLATFORM_OR_CLINICIAN),
    Move(EpisodeState.ENROLLED, EpisodeEvent.COMMENCE, EpisodeState.COMMENCED, _PLATFORM),
    Move(EpisodeState.ENROLLED, EpisodeEvent.NEVER_START, EpisodeState.NEVER_STARTED, _PLATFORM_OR_CLINICIAN),
    Move(EpisodeState.COMMENCED, EpisodeEvent.FINISH, EpisodeState.FINISHED, _PLATFORM_OR_CLINICIAN),
    Move(EpisodeState.COMMENCED, EpisodeEvent.STOP, EpisodeState.STOPPED, _PLATFORM_OR_CLINICIAN),
)

ENDINGS = frozenset({EpisodeEvent.FINISH, EpisodeEvent.STOP, EpisodeEvent.NEVER_START})
"""The events that end an episode and queue a discharge letter."""


class TaskStatus(StrEnum):
    """Task.status, as far as we use it."""

    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"


class EpisodeOfCareStatus(StrEnum):
    """EpisodeOfCare.status, as far as we use it."""

    PLANNED = "planned"
    ACTIVE = "active"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class TaskMoveNotListed(NotAllowed):
    """The AU eRequesting table does not list that change of Task.status."""


TASK_MOVES: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.REQUESTED: frozenset(
        {TaskStatus.RECEIVED, TaskStatus.ACCEPTED, TaskStatus.REJECTED, TaskStatus.CANCELLED}
    ),
    TaskStatus.RECEIVED: frozenset({TaskStatus.ACCEPTED, TaskStatus.REJECTED, TaskStatus.CANCELLED}),
    TaskStatus.ACCEPTED: frozenset({TaskStatus.IN_PROGRESS, TaskStatus.CANCELLED}),
    TaskStatus.IN_PROGRESS: frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED}),  # never cancelled
    TaskStatus.REJECTED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
}
"""AU eRequesting, without on-hold, which the programme does not know."""

_TASK_STATUS = {
    EpisodeState.REFERRED: TaskStatus.RECEIVED,
    EpisodeState.ACCEPTED: TaskStatus.ACCEPTED,
    EpisodeState.DECLINED: TaskStatus.REJECTED,
    EpisodeState.CANCELLED: TaskStatus.CANCELLED,
    EpisodeState.ENROLLED: TaskStatus.IN_PROGRESS,
    EpisodeState.COMMENCED: TaskStatus.IN_PROGRESS,
    EpisodeState.FINISHED: TaskStatus.COMPLETED,
    EpisodeState.STOPPED: TaskStatus.COMPLETED,
    EpisodeState.NEVER_STARTED: TaskStatus.FAILED,
}
_AFTER_SIGNATURE = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED})

_EPISODE_OF_CARE_STATUS = {
    EpisodeState.REFERRED: EpisodeOfCareStatus.PLANNED,
    EpisodeState.ACCEPTED: EpisodeOfCareStatus.PLANNED,
    EpisodeState.DECLINED: EpisodeOfCareStatus.CANCELLED,
    EpisodeState.CANCELLED: EpisodeOfCareStatus.CANCELLED,
    EpisodeState.ENROLLED: EpisodeOfCareStatus.ACTIVE,
    EpisodeState.COMMENCED: EpisodeOfCareStatus.ACTIVE,
    EpisodeState.FINISHED: EpisodeOfCareStatus.FINISHED,
    EpisodeState.STOPPED: EpisodeOfCareStatus.FINISHED,
    EpisodeState.NEVER_STARTED: EpisodeOfCareStatus.CANCELLED,
}


def moves_from(state: EpisodeState | None, by: Actor | None = None) -> tuple[Move, ...]:
    """The listed moves out of a state, in the table's order; with `by`, those that this actor may cause."""
    return tuple(m for m in MOVES if m.before is state and (by is None or by in m.by))


def move(state: EpisodeState | None, event: EpisodeEvent, by: Actor | None = None) -> EpisodeState:
    """The state after the event. Raises MoveNotListed, naming the moves that are listed."""
    listed = moves_from(state, by)
    for line in listed:
        if line.event is event:
            return line.after
    names = ", ".join(line.event.value for line in listed) or "no move"
    state_text = f"an episode that is {state.value}" if state else "an episode that has not begun"
    raise MoveNotListed(f"{state_text} allows {names}; not {event.value}", field="episode")


def task_status(episode: Episode, letter_signed: bool) -> TaskStatus:
    """What the Task of a referred episode says; the discharge letter's signature is what ends it."""
    status = _TASK_STATUS[episode.state]
    return TaskStatus.IN_PROGRESS if status in _AFTER_SIGNATURE and not letter_signed else status


def episode_of_care_status(episode: Episode) -> EpisodeOfCareStatus:
    """What the EpisodeOfCare says; no letter changes it."""
    return _EPISODE_OF_CARE_STATUS[episode.state]


def task_steps(before: TaskStatus, after: TaskStatus) -> tuple[TaskStatus, ...]:
    """The statuses to publish, in order, to come from one to the other by listed moves only; none if equal.

    An accepted person who never starts fails through in-progress. Raises TaskMoveNotListed.
    """
    paths: list[tuple[TaskStatus, ...]] = [()]
    for path in paths:  # grows while it is read: breadth first, and the table has no circle
        here = path[-1] if path else before
        if here is after:
            return path
        paths.extend((*path, next_status) for next_status in TaskStatus if next_status in TASK_MOVES[here])
    raise TaskMoveNotListed(
        f"a Task that is {before.value} does not become {after.value}", field="Task.status"
    )
