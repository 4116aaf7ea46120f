"""What is delivered where: how each destination is doing, and what was delivered of one person."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import request

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store import Books
from fhir_pmp.store.deliveries import Delivery, DeliveryState
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.frame import page

PAGE = 100
_CALLS = {
    "closed": "as usual",
    "recovering": "at a gentle pace: much had piled up",
    "open": "broken off: it fails",
    "half_open": "one is on trial",
    "paused": "stopped: it refuses us",
}
_ABOUT_DELIVERY = ("delivery/", "destination/")
MOST = 2000
"""Deliveries counted on the person's page."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One destination: how many deliveries stand where, and when the last one truly arrived."""

    destination: DestinationId
    states: Mapping[DeliveryState, int]
    last_sent_at: datetime | None


def delivered_to(books: Books, person: PersonId) -> list[Delivered]:
    """What stands in the outbox about a person, by destination."""
    by_destination: dict[DestinationId, list[Delivery]] = {}
    for delivery in books.deliveries.list_all(person=person, limit=MOST):
        by_destination.setdefault(delivery.destination, []).append(delivery)
    return [
        Delivered(
            destination,
            Counter(one.state for one in found),
            max((one.sent_at for one in found if one.sent_at is not None), default=None),
        )
        for destination, found in sorted(by_destination.items())
    ]


@pages.get("/deliveries")
@reads
def deliveries() -> str:
    """How delivery to each EHR is doing, and what a person must decide about it. Nobody is named."""
    here = desk()
    with here.store.read() as books:
        health = books.delivery_health.look(here.destinations, now=here.clock())
        items = [one for one in books.work_items.list_open() if one.about.startswith(_ABOUT_DELIVERY)]
    return page(
        "delivery.html",
        title="Deliveries",
        section="deliveries",
        health=health,
        items=items[:PAGE],
        total=len(items),
        calls=_CALLS,
    )


@pages.get("/people/<person_id>/deliveries")
@reads
def person_deliveries(person_id: str) -> str:
    """Each delivery about the person, in the order they were queued, a page at a time."""
    after = request.args.get("after", 0, type=int)
    with desk().store.read() as books:
        known = books.people.get(PersonId(person_id))
        found = books.deliveries.list_all(person=known.id, after=after, limit=PAGE + 1)
    shown = found[:PAGE]
    note_persons([known.id])
    note_resources(f"{one.reference}/_history/{one.version}" for one in shown)
    return page(
        "deliveries.html",
        title=f"Deliveries, {known.given} {known.family}",
        section="people",
        person=known,
        deliveries=shown,
        next_after=shown[-1].seq if len(found) > PAGE else None,
        is_first=after == 0,
    )
