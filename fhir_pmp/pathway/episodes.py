"""The moves an episode can make, as one table, and what the Task and the EpisodeOfCare say in each state."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import NotAllowed
from fhir_pmp.pathway.facts import Episode, EpisodeState


class MoveNotListed(NotAllowed):
    """An episode in this state cannot make that move."""


class Event(StrEnum):
    """What moves an episode."""

    ACCEPT = "accept"
    DECLINE = "decline"  # at the signing of the decline letter
    CANCEL = "cancel"
    ENROL = "enrol"
    COMMENCE = "commence"
    FINISH = "finish"
    STOP = "stop"
    NEVER_START = "never_start"


class By(StrEnum):
    """Who may cause a move."""

    CLINICIAN = "clinician"
    GP = "gp"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the table. `before` None: the episode begins here."""

    before: EpisodeState | None
    event: Event
    after: EpisodeState
    by: frozenset[By]


_CLINICIAN = frozenset({By.CLINICIAN})
_GP = frozenset({By.GP})
_PLATFORM = frozenset({By.PLATFORM})
_EITHER = frozenset({By.PLATFORM, By.CLINICIAN})

MOVES: tuple[Move, ...] = (
    Move(None, Event.ENROL, EpisodeState.ENROLLED, _PLATFORM),  # came with an export, nobody referred
    Move(EpisodeState.REFERRED, Event.ACCEPT, EpisodeState.ACCEPTED, _CLINICIAN),
    Move(EpisodeState.REFERRED, Event.DECLINE, EpisodeState.DECLINED, _CLINICIAN),
    Move(EpisodeState.REFERRED, Event.CANCEL, EpisodeState.CANCELLED, _GP),
    Move(EpisodeState.ACCEPTED, Event.CANCEL, EpisodeState.CANCELLED, _GP),
    Move(EpisodeState.ACCEPTED, Event.ENROL, EpisodeState.ENROLLED, _PLATFORM),
    Move(EpisodeState.ACCEPTED, Event.NEVER_START, EpisodeState.NEVER_STARTED, _EITHER),
    Move(EpisodeState.ENROLLED, Event.COMMENCE, EpisodeState.COMMENCED, _PLATFORM),
    Move(EpisodeState.ENROLLED, Event.NEVER_START, EpisodeState.NEVER_STARTED, _EITHER),
    Move(EpisodeState.COMMENCED, Event.FINISH, EpisodeState.FINISHED, _EITHER),
    Move(EpisodeState.COMMENCED, Event.STOP, EpisodeState.STOPPED, _EITHER),
)

ENDINGS = frozenset({Event.FINISH, Event.STOP, Event.NEVER_START})
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

_TASK = {
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
_AFTER_THE_LETTER = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED})

_EPISODE_OF_CARE = {
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


def moves_from(state: EpisodeState | None, by: By | None = None) -> tuple[Move, ...]:
    """The listed moves out of a state, in the table's order; with `by`, those that this actor may cause."""
    return tuple(m for m in MOVES if m.before is state and (by is None or by in m.by))


def move(state: EpisodeState | None, event: Event, by: By | None = None) -> EpisodeState:
    """The state after the event. Raises MoveNotListed, naming the moves that are listed."""
    listed = moves_from(state, by)
    for line in listed:
        if line.event is event:
            return line.after
    names = ", ".join(line.event.value for line in listed) or "no move"
    stands = f"an episode that is {state.value}" if state else "an episode that has not begun"
    raise MoveNotListed(f"{stands} allows {names}; not {event.value}", field="episode")


def task_status(episode: Episode, letter_signed: bool) -> TaskStatus:
    """What the Task of a referred episode says; the discharge letter's signature is what ends it."""
    status = _TASK[episode.state]
    return TaskStatus.IN_PROGRESS if status in _AFTER_THE_LETTER and not letter_signed else status


def episode_of_care_status(episode: Episode) -> EpisodeOfCareStatus:
    """What the EpisodeOfCare says; no letter changes it."""
    return _EPISODE_OF_CARE[episode.state]


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
