"""One delivery: a published version on its way to a destination, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from fhir_pmp.errors import NotAllowed
from fhir_pmp.identifiers import DestinationId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.store.tables.delivery import outbox
from fhir_pmp.store.tables.published import published

DEFINITIONS_LANE = "definitions"
"""What everybody's resources refer to travels in this lane, before the lanes of people."""


SHARED_TYPES = frozenset(
    {"CodeSystem", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "ValueSet"}
)
"""Types that many people's resources refer to; two transactions that carry one of them would collide."""


def lane_of(type: str, person: str | None) -> str:
    """The lane a resource travels in: its person's, or the one that goes first."""
    return DEFINITIONS_LANE if person is None or type in SHARED_TYPES else person


class LeaseLost(NotAllowed):
    """The lane was claimed anew since: whoever holds the newer lease decides, this answer changes nothing."""


class DeliveryState(StrEnum):
    """Where a delivery stands. `reason` says why, for people."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    SENT = "sent"
    DEAD = "dead"  # a person has to look; a work item stands
    SUPERSEDED = "superseded"  # a newer version goes instead
    WAITING = "waiting"  # for a decision or a link; no attempts, no age
    NOT_WANTED = "not_wanted"  # the destination does not take it
    WITHHELD = "withheld"  # the person's consent does not cover it


class Delivery(msgspec.Struct, frozen=True):
    """One outbox row with the published version it carries."""

    seq: int
    destination: DestinationId
    lane: str
    state: DeliveryState
    type: str
    id: ResourceId
    version: int
    content: bytes  # as published, meta included
    content_hash: str
    reference: str  # "Type/id"
    refs: tuple[str, ...]  # "Type/id" of every local resource it refers to
    sharing: Sharing
    person: PersonId | None
    episode: EpisodeId | None
    attempts: int
    may_have_arrived: bool  # an earlier attempt may have arrived
    next_attempt_at: datetime
    first_attempt_at: datetime | None  # the first attempt
    created_at: datetime
    last_status: int | None
    reason: str | None
    sent_at: datetime | None
    sent_hash: str | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class ClaimedLane:
    """A lane that is ours until the lease ends: its due deliveries in order, newest versions only."""

    destination: DestinationId
    lane: str
    epoch: int
    lease_until: datetime
    deliveries: tuple[Delivery, ...]


class SentResult(msgspec.Struct, frozen=True):
    """What a destination took: the hash of the bytes as rendered for it, and the version tag it answered with.

    The bytes themselves are kept where they are not as published (`kept_apart`).
    """

    seq: int
    status: int
    etag: str | None
    sent_hash: str
    sent_bytes: bytes | None


@dataclass(frozen=True, slots=True)
class PutBackResult:
    """A delivery that is tried again, the same bytes, not before `next_at`."""

    seq: int
    next_attempt_at: datetime
    may_have_arrived: bool
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class EndedResult:
    """A delivery that is not sent: dead, superseded, not wanted or withheld, and why."""

    seq: int
    state: DeliveryState
    status: int | None
    reason: str


SELECT_DELIVERY = (
    sa.select(
        *(outbox.c[name] for name in ("seq", "destination", "lane", "state")),
        *(published.c[name] for name in ("type", "id", "version", "content", "content_hash", "refs")),
        *(published.c[name] for name in ("sharing", "person", "episode")),
        *(
            outbox.c[name]
            for name in ("attempts", "may_have_arrived", "next_attempt_at", "first_attempt_at", "created_at")
        ),
        *(outbox.c[name] for name in ("last_status", "reason", "sent_at", "sent_hash", "etag")),
    )
    .select_from(outbox)
    .join(published, published.c.seq == outbox.c.published_seq)
)
"""Deliveries with what they carry, the columns in the order of Delivery but for `reference`."""

_STATES = {state.value: state for state in DeliveryState}
_SHARINGS = {sharing.value: sharing for sharing in Sharing}


def read_delivery(row: Sequence[Any]) -> Delivery:
    """The delivery that lies in this row of DELIVERY."""
    seq, destination, lane, state, kind, id_, version, content, content_hash, refs, sharing, *rest = row
    return Delivery(
        *(seq, destination, lane, _STATES[state], kind, id_, version, content, content_hash),
        *(f"{kind}/{id_}", tuple(refs.split()), _SHARINGS[sharing]),
        *rest,
    )
