"""Lists, shows, replays and backfills deliveries for an operator; each use is audited."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from fhir_pmp.ehr.config.work_item_kinds import DESTINATION_PAUSED
from fhir_pmp.ehr.connection.breaker import drain_slowly
from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.store.delivery.deliveries import Delivery, DeliveryState
from fhir_pmp.store.remote_state.breakers import Breaker

MOST_REPLAYED = 100_000
"""Deliveries of one replay."""
BATCH_SIZE = 500
"""Rows of one transaction of a backfill: the write lock is held for milliseconds."""


class NoSuchDelivery(NotFound):
    """There is no delivery of that number."""


class EmptySelection(NotFound):
    """Nothing says which deliveries are meant: name a delivery, a destination, a person, a resource or a moment."""


@dataclass(frozen=True, slots=True)
class DeliverySelection:
    """Which deliveries are meant; what is not given does not narrow."""

    delivery: int | None = None
    destination: DestinationId | None = None
    states: tuple[DeliveryState, ...] | None = None
    person: PersonId | None = None
    reference: str | None = None  # "Type/id"
    since: datetime | None = None  # queued at or after
    until: datetime | None = None  # queued before

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return (self.delivery, self.destination, self.person, self.reference, self.since, self.until) == (
            None,
        ) * 6


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """One delivery with its details for an operator. The bytes hold a person's answers."""

    delivery: Delivery
    sent_bytes: bytes | None
    work_items: tuple[WorkItem, ...]
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay came to, or would come to."""

    chosen: tuple[Delivery, ...]  # dead, and nothing newer of theirs is queued or there
    overtaken: tuple[Delivery, ...]  # dead, and a newer version went instead: sending it would turn time back
    done: bool


def list_deliveries(
    store: Store,
    selection: DeliverySelection,
    *,
    who: str,
    now: datetime,
    after: int | None = None,
    limit: int = 200,
) -> Sequence[Delivery]:
    """Returns the next `limit` deliveries of a selection after a number, in queue order."""
    with store.begin_without_publishing() as uow:
        found = _select(uow, selection, after, limit)
        _append_audit(uow, who, "deliveries list", "read", str(len(found)), found, now)
    return found


def show_delivery(store: Store, seq: int, *, who: str, now: datetime) -> DeliveryDetails:
    """One delivery. Raises NoSuchDelivery."""
    with store.begin_without_publishing() as uow:
        (delivery,) = _select(uow, DeliverySelection(delivery=seq), None, 1)
        about = f"delivery/{delivery.destination}/{delivery.reference}"
        shown = DeliveryDetails(
            delivery,
            uow.deliveries.sent_bytes(seq),
            tuple(uow.work_items.list_open(about=about)),
            uow.breakers.get(delivery.destination),
        )
        _append_audit(uow, who, "deliveries show", "read", delivery.state.value, [delivery], now)
    return shown


def replay(
    store: Store, selection: DeliverySelection, *, who: str, now: datetime, dry_run: bool = True
) -> ReplayResult:
    """Makes the dead-lettered deliveries of a selection pending again; idempotent. Dry run first.

    Raises NotASelection for one that names nothing, NoSuchDelivery.
    """
    if selection.is_everything:
        raise EmptySelection
    with store.begin_without_publishing() as uow:
        only_dead = replace(selection, states=(DeliveryState.DEAD,))
        dead = [d for d in _select(uow, only_dead, None, MOST_REPLAYED) if d.state is DeliveryState.DEAD]
        overtaken = uow.delivery_checks.find_overtaken([d.seq for d in dead])
        chosen = [d for d in dead if d.seq not in overtaken]
        if not dry_run:
            uow.deliveries.replay([d.seq for d in chosen], now=now)
            for destination in sorted({d.destination for d in chosen}):
                uow.breakers.put(destination, drain_slowly(uow.breakers.get_for_update(destination)))
            _append_audit(uow, who, "deliveries replay", "update", str(len(chosen)), chosen, now)
        else:
            _append_audit(uow, who, "deliveries replay (dry run)", "read", str(len(chosen)), chosen, now)
    return ReplayResult(tuple(chosen), tuple(d for d in dead if d.seq in overtaken), not dry_run)


def backfill(store: Store, destination: DestinationId, *, who: str, now: datetime) -> int:
    """Queues every current version that this destination never got and may receive.

    Returns how many.
    """
    queued = 0
    while True:
        with store.begin() as uow:
            some = uow.deliveries.backfill(destination, now=now, most=BATCH_SIZE)
            if some == 0:
                _append_audit(uow, who, f"deliveries backfill {destination}", "create", str(queued), [], now)
                return queued
        queued += some


def retry_patient_match(store: Store, destination: DestinationId, person: PersonId, *, now: datetime) -> int:
    """Resumes a waiting person's lane, so that the Patient is searched for again.

    Returns how many deliveries were waiting.
    """
    with store.begin_without_publishing() as uow:
        return uow.outbox.resume(destination, person, now=now)


def unpause(store: Store, destination: DestinationId, *, who: str, now: datetime) -> None:
    """The operator has mended address, certificate or sign-in: the destination is called again at once."""
    with store.begin_without_publishing() as uow:
        uow.breakers.put(destination, drain_slowly(Breaker()))
        uow.work_items.close_about(
            DESTINATION_PAUSED, f"destination/{destination}", by=who, how="mended", now=now
        )
        _append_audit(uow, who, f"deliveries unpause {destination}", "update", "done", [], now)


def _select(
    uow: UnitOfWork, selection: DeliverySelection, after: int | None, limit: int
) -> Sequence[Delivery]:
    if selection.delivery is not None:
        try:
            return [uow.deliveries.get(selection.delivery)]
        except NotFound:
            raise NoSuchDelivery(field="delivery") from None
    return uow.deliveries.list_all(
        destination=selection.destination,
        states=selection.states,
        person=selection.person,
        reference=selection.reference,
        since=selection.since,
        until=selection.until,
        after=after,
        limit=limit,
    )


def _append_audit(
    uow: UnitOfWork, who: str, route: str, action: str, outcome: str, shown: Sequence[Delivery], now: datetime
) -> None:
    row = AuditRow(
        at=now,
        who=who,
        route=route,
        action=action,
        outcome=outcome,
        request_id=uuid4().hex,
        resources=tuple(f"{d.reference}/_history/{d.version}" for d in shown),
        persons=tuple(dict.fromkeys(d.person for d in shown if d.person is not None)),
    )
    uow.audit.append([row])
