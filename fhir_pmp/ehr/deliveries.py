"""Deliveries as an operator handles them: listed, shown, sent again, served later; each use leaves an audit row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from fhir_pmp.ehr.breaker import spared
from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store import Books, Store
from fhir_pmp.store.audit import AuditRow
from fhir_pmp.store.deliveries import Delivery, DeliveryState
from fhir_pmp.store.neighbours import Breaker
from fhir_pmp.store.work_items import WorkItem

MOST = 100_000
"""Deliveries of one replay."""
AT_ONCE = 500
"""Rows of one transaction of a backfill: the write lock is held for milliseconds."""


class NoSuchDelivery(NotFound):
    """There is no delivery of that number."""


class NotASelection(NotFound):
    """Nothing says which deliveries are meant: name a delivery, a destination, a person, a resource or a moment."""


@dataclass(frozen=True, slots=True)
class Selection:
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
class DeliveryShown:
    """One delivery with what an operator wants to know about it. The bytes hold a person's answers."""

    delivery: Delivery
    sent_bytes: bytes | None
    work_items: tuple[WorkItem, ...]
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to, or would come to."""

    chosen: tuple[Delivery, ...]  # dead, and nothing newer of theirs is queued or there
    overtaken: tuple[Delivery, ...]  # dead, and a newer version went instead: sending it would turn time back
    done: bool


def list_deliveries(
    store: Store, selection: Selection, *, who: str, now: datetime, after: int | None = None, limit: int = 200
) -> Sequence[Delivery]:
    """The next `limit` deliveries of a selection after a number, in the order they were queued."""
    with store.begin_beside() as books:
        found = _select(books, selection, after, limit)
        _note(books, who, "deliveries list", "read", str(len(found)), found, now)
    return found


def show_delivery(store: Store, seq: int, *, who: str, now: datetime) -> DeliveryShown:
    """One delivery. Raises NoSuchDelivery."""
    with store.begin_beside() as books:
        (delivery,) = _select(books, Selection(delivery=seq), None, 1)
        about = f"delivery/{delivery.destination}/{delivery.reference}"
        shown = DeliveryShown(
            delivery,
            books.deliveries.sent_bytes(seq),
            tuple(books.work_items.list_open(about=about)),
            books.breakers.get(delivery.destination),
        )
        _note(books, who, "deliveries show", "read", delivery.state.value, [delivery], now)
    return shown


def replay(store: Store, selection: Selection, *, who: str, now: datetime, dry_run: bool = True) -> Replayed:
    """Makes the dead deliveries of a selection pending again; dry run first. Twice has the effect of once.

    Raises NotASelection for one that names nothing, NoSuchDelivery.
    """
    if selection.is_everything:
        raise NotASelection
    with store.begin_beside() as books:
        only_dead = replace(selection, states=(DeliveryState.DEAD,))
        dead = [d for d in _select(books, only_dead, None, MOST) if d.state is DeliveryState.DEAD]
        overtaken = books.delivery_checks.overtaken([d.seq for d in dead])
        chosen = [d for d in dead if d.seq not in overtaken]
        if not dry_run:
            books.deliveries.replay([d.seq for d in chosen], now=now)
            for destination in sorted({d.destination for d in chosen}):
                books.breakers.put(destination, spared(books.breakers.hold(destination)))
            _note(books, who, "deliveries replay", "update", str(len(chosen)), chosen, now)
        else:
            _note(books, who, "deliveries replay (dry run)", "read", str(len(chosen)), chosen, now)
    return Replayed(tuple(chosen), tuple(d for d in dead if d.seq in overtaken), not dry_run)


def backfill(store: Store, destination: DestinationId, *, who: str, now: datetime) -> int:
    """Queues every current version that this destination was never told of and may see; how many that were."""
    queued = 0
    while True:
        with store.begin() as books:
            some = books.deliveries.backfill(destination, now=now, most=AT_ONCE)
            if some == 0:
                _note(books, who, f"deliveries backfill {destination}", "create", str(queued), [], now)
                return queued
        queued += some


def look_again(store: Store, destination: DestinationId, person: PersonId, *, now: datetime) -> int:
    """Lets a waiting person's lane go on now, so that the Patient is searched for again; how many deliveries wait."""
    with store.begin_beside() as books:
        return books.outbox.resume(destination, person, now=now)


def unpause(store: Store, destination: DestinationId, *, who: str, now: datetime) -> None:
    """The operator has mended address, certificate or sign-in: the destination is called again at once."""
    with store.begin_beside() as books:
        books.breakers.put(destination, spared(Breaker()))
        books.work_items.close_about(
            "destination_paused", f"destination/{destination}", by=who, how="mended", now=now
        )
        _note(books, who, f"deliveries unpause {destination}", "update", "done", [], now)


def _select(books: Books, selection: Selection, after: int | None, limit: int) -> Sequence[Delivery]:
    if selection.delivery is not None:
        try:
            return [books.deliveries.get(selection.delivery)]
        except NotFound:
            raise NoSuchDelivery(field="delivery") from None
    return books.deliveries.list_all(
        destination=selection.destination,
        states=selection.states,
        person=selection.person,
        reference=selection.reference,
        since=selection.since,
        until=selection.until,
        after=after,
        limit=limit,
    )


def _note(
    books: Books, who: str, route: str, action: str, outcome: str, shown: Sequence[Delivery], now: datetime
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
    books.audit.append([row])
