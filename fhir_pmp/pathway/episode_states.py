"""Lists an episode's allowed moves, and each state's Task and EpisodeOfCare status."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import NotAllowed
from fhir_pmp.pathway.facts import Episode, EpisodeState


class MoveNotListed(NotAllowed):
    """An episode in this state does not allow that move."""


class EpisodeEvent(StrEnum):
    """An event that moves an episode to another state."""

    ACCEPT = "accept"
    DECLINE = "decline"  # when the decline letter is signed
    CANCEL = "cancel"
    ENROL = "enrol"
    COMMENCE = "commence"
    FINISH = "finish"
    STOP = "stop"
    NEVER_START = "never_start"


class Actor(StrEnum):
    """The role that may cause a move."""

    CLINICIAN = "clinician"
    GP = "gp"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move. `before` is None if the move begins an episode."""

    before: EpisodeState | None
    event: EpisodeEvent
    after: EpisodeState
    by: frozenset[Actor]


_CLINICIAN = frozenset({Actor.CLINICIAN})
_GP = frozenset({Actor.GP})
_PLATFORM = frozenset({Actor.PLATFORM})
_PLATFORM_OR_CLINICIAN = frozenset({Actor.PLATFORM, Actor.CLINICIAN})

MOVES: tuple[Move, ...] = (
    Move(None, EpisodeEvent.ENROL, EpisodeState.ENROLLED, _PLATFORM),  # from an export, without a referral
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
"""Events that end an episode and queue its discharge letter."""


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
    """AU eRequesting does not allow that change of Task.status."""


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
"""The transitions of AU eRequesting, without on-hold, which the programme does not use."""

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
    """Returns the allowed moves from a state, in table order; `by` selects an actor's."""
    return tuple(m for m in MOVES if m.before is state and (by is None or by in m.by))


def move(state: EpisodeState | None, event: EpisodeEvent, by: Actor | None = None) -> EpisodeState:
    """Returns the state after the event. Raises MoveNotListed, which names the allowed moves."""
    listed = moves_from(state, by)
    for line in listed:
        if line.event is event:
            return line.after
    names = ", ".join(line.event.value for line in listed) or "no move"
    state_text = f"an episode that is {state.value}" if state else "an episode that has not begun"
    raise MoveNotListed(f"{state_text} allows {names}; not {event.value}", field="episode")


def task_status(episode: Episode, letter_signed: bool) -> TaskStatus:
    """Returns a referred episode's Task status; it ends when the discharge letter is signed."""
    status = _TASK_STATUS[episode.state]
    return TaskStatus.IN_PROGRESS if status in _AFTER_SIGNATURE and not letter_signed else status


def episode_of_care_status(episode: Episode) -> EpisodeOfCareStatus:
    """Returns the EpisodeOfCare status; it does not depend on letters."""
    return _EPISODE_OF_CARE_STATUS[episode.state]


def task_steps(before: TaskStatus, after: TaskStatus) -> tuple[TaskStatus, ...]:
    """Returns the statuses to publish, in order, to get from `before` to `after`.

    Empty if both are equal.
    Only moves of TASK_MOVES are used: an accepted Task whose person never starts becomes in-progress, then failed.
    Raises TaskMoveNotListed.
    """
    paths: list[tuple[TaskStatus, ...]] = [()]
    for path in paths:  # grows during the loop: breadth-first search; the table has no cycle
        here = path[-1] if path else before
        if here is after:
            return path
        paths.extend((*path, next_status) for next_status in TaskStatus if next_status in TASK_MOVES[here])
    raise TaskMoveNotListed(
        f"a Task that is {before.value} does not become {after.value}", field="Task.status"
    )
