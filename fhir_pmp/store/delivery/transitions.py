"""Defines the states of a delivery and the transitions between them, as one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.errors import NotAllowed
from fhir_pmp.store.delivery.deliveries import DeliveryState


class TransitionNotListed(NotAllowed):
    """No answer to a claim leads a delivery into this state."""


class DeliveryEvent(StrEnum):
    """What changes the state of a delivery."""

    QUEUE = "queue"
    SUPERSEDE = "supersede"  # a newer version of the resource was published or sent
    OVERTAKE = "overtake"  # at a claim: the lane holds a newer version
    CLAIM = "claim"
    RECLAIM = "reclaim"  # the lease ended without an answer
    ACKNOWLEDGE = "acknowledge"
    PUT_BACK = "put back"  # the same bytes are sent again later
    RELEASE = "release"  # the lane is given back before the delivery was sent
    HOLD = "hold"  # the whole lane waits for a link or a decision
    BLOCK = "block"  # it refers to a delivery that is dead or waiting
    RESUME = "resume"
    DECLINE = "decline"  # the destination does not take this type or resource
    WITHHOLD = "withhold"
    DEAD_LETTER = "dead-letter"
    REPLAY = "replay"
    RESOLVE = "resolve"  # a newer version was acknowledged after this one died
    REQUEUE = "requeue"  # the destination was found without it, or with an older version
    REVERIFY = "reverify"  # written under a lease that had ended, or before the person was linked anew


class Cause(StrEnum):
    """The part of the program, or the person through it, that causes a transition."""

    PUBLISHING = "publishing"
    CONSENT = "consent"
    WORKER = "outbox worker"
    LINKING = "linking"  # of a person with a Patient of the destination
    RECONCILIATION = "reconciliation"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table. `before` None: the delivery begins here."""

    before: DeliveryState | None
    event: DeliveryEvent
    after: DeliveryState
    by: frozenset[Cause]


_PUBLISHING = frozenset({Cause.PUBLISHING})
_CONSENT = frozenset({Cause.CONSENT})
_WORKER = frozenset({Cause.WORKER})
_OPERATOR = frozenset({Cause.OPERATOR})

TRANSITIONS: tuple[Transition, ...] = (
    # An operator queues what a new destination missed (backfill).
    Transition(None, DeliveryEvent.QUEUE, DeliveryState.PENDING, _PUBLISHING | _OPERATOR),
    Transition(DeliveryState.PENDING, DeliveryEvent.CLAIM, DeliveryState.IN_FLIGHT, _WORKER),
    Transition(DeliveryState.PENDING, DeliveryEvent.HOLD, DeliveryState.WAITING, _WORKER),
    Transition(DeliveryState.PENDING, DeliveryEvent.OVERTAKE, DeliveryState.SUPERSEDED, _WORKER),
    Transition(DeliveryState.PENDING, DeliveryEvent.SUPERSEDE, DeliveryState.SUPERSEDED, _PUBLISHING),
    Transition(DeliveryState.PENDING, DeliveryEvent.WITHHOLD, DeliveryState.WITHHELD, _CONSENT),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.RECLAIM, DeliveryState.IN_FLIGHT, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.ACKNOWLEDGE, DeliveryState.SENT, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.PUT_BACK, DeliveryState.PENDING, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.RELEASE, DeliveryState.PENDING, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.HOLD, DeliveryState.WAITING, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.BLOCK, DeliveryState.WAITING, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.OVERTAKE, DeliveryState.SUPERSEDED, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.SUPERSEDE, DeliveryState.SUPERSEDED, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.DECLINE, DeliveryState.NOT_WANTED, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.WITHHOLD, DeliveryState.WITHHELD, _WORKER),
    Transition(DeliveryState.IN_FLIGHT, DeliveryEvent.DEAD_LETTER, DeliveryState.DEAD, _WORKER),
    Transition(
        DeliveryState.WAITING,
        DeliveryEvent.RESUME,
        DeliveryState.PENDING,
        _WORKER | _OPERATOR | {Cause.LINKING},
    ),
    Transition(DeliveryState.WAITING, DeliveryEvent.SUPERSEDE, DeliveryState.SUPERSEDED, _PUBLISHING),
    Transition(DeliveryState.WAITING, DeliveryEvent.WITHHOLD, DeliveryState.WITHHELD, _CONSENT),
    Transition(DeliveryState.DEAD, DeliveryEvent.REPLAY, DeliveryState.PENDING, _OPERATOR),
    Transition(DeliveryState.DEAD, DeliveryEvent.RESOLVE, DeliveryState.SUPERSEDED, _WORKER),
    Transition(
        DeliveryState.SENT,
        DeliveryEvent.REQUEUE,
        DeliveryState.PENDING,
        _WORKER | {Cause.RECONCILIATION},
    ),
    Transition(DeliveryState.SENT, DeliveryEvent.REVERIFY, DeliveryState.PENDING, _WORKER | {Cause.LINKING}),
)


def states_before(event: DeliveryEvent, by: Cause) -> tuple[DeliveryState, ...]:
    """The states in which this event changes a delivery, in the order of the table."""
    return tuple(t.before for t in TRANSITIONS if t.event is event and by in t.by and t.before is not None)


def state_after(event: DeliveryEvent) -> DeliveryState:
    """The state an event leads to: one, from wherever it is listed."""
    return _AFTER[event]


def find_transition(before: DeliveryState | None, event: DeliveryEvent, by: Cause) -> Transition | None:
    """The line of the table, if there is one."""
    return next((t for t in TRANSITIONS if t.before is before and t.event is event and by in t.by), None)


_AFTER: Mapping[DeliveryEvent, DeliveryState] = {t.event: t.after for t in TRANSITIONS}

ENDINGS: Mapping[DeliveryState, DeliveryEvent] = {
    state_after(event): event
    for event in (
        DeliveryEvent.SUPERSEDE,
        DeliveryEvent.DECLINE,
        DeliveryEvent.WITHHOLD,
        DeliveryEvent.BLOCK,
        DeliveryEvent.DEAD_LETTER,
    )
}
"""The event by which the holder of a claim ends a delivery without sending it, by the state that follows."""
