"""Serves the pages about deliveries: health per destination, and deliveries about one person."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import request

from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.delivery.deliveries import Delivery, DeliveryState
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.page_layout import render_page

PAGE_SIZE = 100
_BREAKER_STATES = {
    "closed": "working",
    "recovering": "working slowly through a backlog",
    "open": "paused after repeated failures",
    "half_open": "one trial request is being made",
    "paused": "stopped: the EHR refuses our requests",
}
_ABOUT_DELIVERY = ("delivery/", "destination/")
MAX_COUNTED = 2000
"""The most deliveries that are counted on a person's page."""


@dataclass(frozen=True, slots=True)
class DestinationDeliveries:
    """One destination: the number of deliveries by state, and when the last one arrived."""

    destination: DestinationId
    states: Mapping[DeliveryState, int]
    last_sent_at: datetime | None


def summarise_deliveries(uow: UnitOfWork, person: PersonId) -> list[DestinationDeliveries]:
    """Counts a person's deliveries in the outbox, by destination."""
    by_destination: dict[DestinationId, list[Delivery]] = {}
    for delivery in uow.deliveries.list_all(person=person, limit=MAX_COUNTED):
        by_destination.setdefault(delivery.destination, []).append(delivery)
    return [
        DestinationDeliveries(
            destination,
            Counter(one.state for one in found),
            max((one.sent_at for one in found if one.sent_at is not None), default=None),
        )
        for destination, found in sorted(by_destination.items())
    ]


@pages.get("/deliveries")
@staff_may_read
def deliveries() -> str:
    """Shows delivery health per EHR and the open work items about it; names no patient."""
    context = web_context()
    with context.store.read() as uow:
        health = uow.delivery_health.assess(context.destinations, now=context.clock())
        items = [one for one in uow.work_items.list_open() if one.about.startswith(_ABOUT_DELIVERY)]
    return render_page(
        "delivery_health.html",
        title="Deliveries",
        section="deliveries",
        health=health,
        items=items[:PAGE_SIZE],
        total=len(items),
        breaker_states=_BREAKER_STATES,
    )


@pages.get("/people/<person_id>/deliveries")
@staff_may_read
def person_deliveries(person_id: str) -> str:
    """Lists the deliveries about a person in the order they were queued, in pages."""
    after = request.args.get("after", 0, type=int)
    with web_context().store.read() as uow:
        known = uow.people.get(PersonId(person_id))
        found = uow.deliveries.list_all(person=known.id, after=after, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    note_persons([known.id])
    note_resources(f"{one.reference}/_history/{one.version}" for one in shown)
    return render_page(
        "person_deliveries.html",
        title=f"Deliveries, {known.given} {known.family}",
        section="people",
        person=known,
        deliveries=shown,
        next_after=shown[-1].seq if len(found) > PAGE_SIZE else None,
        is_first=after == 0,
    )
