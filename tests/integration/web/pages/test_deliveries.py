"""What an operator sees of deliveries: what truly got through, what stands, and what is to be decided; nobody's name."""

from dataclasses import replace
from datetime import timedelta

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.deliveries import DeliveryState, Ended, Sent
from fhir_pmp.store.leases import TIMERS
from fhir_pmp.store.neighbours import Breaker
from fhir_pmp.web.desk import set_desk
from tests.integration.ehr.sample import publish_people
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import words

HOSPITAL = DestinationId("hospital")


def test_each_destination_is_shown_by_what_truly_got_through(day: Day, sam: Visitor) -> None:
    set_desk(day.app, replace(day.desk, destinations=(HOSPITAL,)))
    publish_people(day.store, 1, each=1, now=day.desk.clock())
    now = day.desk.clock() + timedelta(minutes=1)
    with day.store.begin_beside() as books:
        (claim,) = books.outbox.claim_due(
            HOSPITAL, now=now, lease=timedelta(minutes=3), lanes=1, per_lane=9, only_lane="patient-1"
        )
        *gone, refused = claim.deliveries
        books.outbox.settle(claim, [Sent(d.seq, 201, "1", "0" * 64, b"{}") for d in gone], now=now)
        books.outbox.end(claim, [Ended(refused.seq, DeliveryState.DEAD, 422, "required")])
        books.outbox.release(claim)
        books.work_items.open(
            "delivery_refused",
            about=f"delivery/hospital/{refused.reference}",
            role="administrator",
            what="The destination does not take this resource.",
            now=now,
            person=refused.person,
            details={"destination": "hospital", "resource": refused.reference, "reason": "required"},
        )
        books.breakers.put(HOSPITAL, Breaker("paused", 0, now, now + timedelta(hours=1), "status 403"))
    page = words(sam.get("/deliveries").text)
    assert "No sync process is at work" in page
    assert "3 delivered" in page
    assert "stopped: it refuses us: status 403" in page
    assert "To decide (1)" in page
    assert "The destination does not take this resource. (required)" in page
    assert "Example 1" not in page, "nobody is named"
    with day.store.begin_beside() as books:
        books.leases.take(TIMERS, "somebody", now=now, lasts=timedelta(hours=1))
    assert "A sync process is at work" in words(sam.get("/deliveries").text)
