"""Defines deliveries of published versions, their claims and results, as values."""

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
"""The ordering lane of resources that many people's resources refer to; it is sent before the lanes of people."""


SHARED_TYPES = frozenset(
    {"CodeSystem", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "ValueSet"}
)
"""Types that many people's resources refer to; two transactions that write the same one would conflict."""


def lane_of(type: str, person: str | None) -> str:
    """The ordering lane of a resource: its person's, or the definitions lane."""
    return DEFINITIONS_LANE if person is None or type in SHARED_TYPES else person


class LeaseLost(NotAllowed):
    """The lane was claimed again since; this result of the earlier claim is not stored."""


class DeliveryState(StrEnum):
    """The state of a delivery; its `reason` explains it to people."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    SENT = "sent"
    DEAD = "dead"  # a person has to look; a work item is open
    SUPERSEDED = "superseded"  # a newer version is sent instead
    WAITING = "waiting"  # for a decision or a link; no attempts, and it does not age
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
    content: bytes  # as published, with meta
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
    """A lane claimed until the lease ends: its due deliveries in order, newest versions only."""

    destination: DestinationId
    lane: str
    epoch: int
    lease_until: datetime
    deliveries: tuple[Delivery, ...]


class SentResult(msgspec.Struct, frozen=True):
    """An acknowledged delivery: the hash of the bytes sent, and the ETag of the response.

    `sent_bytes` is set where they differ from the published ones (`bytes_to_store`).
    """

    seq: int
    status: int
    etag: str | None
    sent_hash: str
    sent_bytes: bytes | None


@dataclass(frozen=True, slots=True)
class PutBackResult:
    """A delivery to be sent again with the same bytes, not before `next_attempt_at`."""

    seq: int
    next_attempt_at: datetime
    may_have_arrived: bool
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class EndedResult:
    """A delivery that is not sent, with its state and the reason.

    The state is dead, superseded, waiting, not wanted or withheld.
    """

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
"""Selects deliveries with their published versions; columns in the order of Delivery, without `reference`."""

_STATES = {state.value: state for state in DeliveryState}
_SHARINGS = {sharing.value: sharing for sharing in Sharing}


def read_delivery(row: Sequence[Any]) -> Delivery:
    """Converts a row of SELECT_DELIVERY."""
    seq, destination, lane, state, kind, id_, version, content, content_hash, refs, sharing, *rest = row
    return Delivery(
        *(seq, destination, lane, _STATES[state], kind, id_, version, content, content_hash),
        *(f"{kind}/{id_}", tuple(refs.split()), _SHARINGS[sharing]),
        *rest,
    )
