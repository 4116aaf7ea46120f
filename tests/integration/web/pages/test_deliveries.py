"""What an operator sees of deliveries: what truly got through, what stands, and what is to be decided; nobody's name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.delivery.deliveries import DeliveryState, EndedResult, SentResult
from fhir_pmp.store.leases import TIMERS
from fhir_pmp.store.remote_state.breakers import Breaker
from fhir_pmp.web.context import set_web_context
from tests.integration.ehr.sample_resources import publish_people
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser
from tests.integration.web.pages.html_reader import visible_text

HOSPITAL = DestinationId("hospital")


@pytest.mark.promise("P18")
def test_each_destination_is_shown_by_what_truly_got_through(
    harness: ClinicHarness, administrator: FormBrowser
) -> None:
    set_web_context(harness.app, replace(harness.web_context, destinations=(HOSPITAL,)))
    publish_people(harness.store, 1, each=1, now=harness.web_context.clock())
    now = harness.web_context.clock() + timedelta(minutes=1)
    with harness.store.begin_without_publishing() as uow:
        (claim,) = uow.outbox.claim_due(
            HOSPITAL, now=now, lease=timedelta(minutes=3), lanes=1, per_lane=9, only_lane="patient-1"
        )
        *gone, refused = claim.deliveries
        uow.outbox.acknowledge(claim, [SentResult(d.seq, 201, "1", "0" * 64, b"{}") for d in gone], now=now)
        uow.outbox.end(claim, [EndedResult(refused.seq, DeliveryState.DEAD, 422, "required")])
        uow.outbox.release(claim)
        uow.work_items.open(
            "delivery_refused",
            about=f"delivery/hospital/{refused.reference}",
            role="administrator",
            what="The destination does not take this resource.",
            now=now,
            person=refused.person,
            details={"destination": "hospital", "resource": refused.reference, "reason": "required"},
        )
        uow.breakers.put(HOSPITAL, Breaker("paused", 0, now, now + timedelta(hours=1), "status 403"))
    page = visible_text(administrator.get("/deliveries").text)
    assert "No sync process is running" in page
    assert "3 delivered" in page
    assert "stopped: the EHR refuses our requests: status 403" in page
    assert "To decide (1)" in page
    assert "The destination does not take this resource. (required)" in page
    assert "Example 1" not in page, "nobody is named"
    with harness.store.begin_without_publishing() as uow:
        uow.leases.acquire(TIMERS, "somebody", now=now, duration=timedelta(hours=1))
    assert "A sync process is running" in visible_text(administrator.get("/deliveries").text)
