"""Waits until all deliveries are sent, and counts the resources that the EHR holds."""

import time
from collections.abc import Iterator

from demo.ehr import Ehr
from demo.progress import counted_step
from demo.report import DemoResult
from demo.service import Counts, DemoService

EVERY_SECONDS = 1.0
STUCK_AFTER_SECONDS = 240
"""Without any progress. Leases of a killed sync process expire after three minutes."""
QUIET_SECONDS = 3.0
"""How long nothing new must fall due: the sync process runs every two seconds and creates receipts."""


def wait_until_delivered(counts: Iterator[Counts], what: str) -> None:
    """Waits until nothing is due and nothing new falls due.

    Gives up after a time without progress.
    """
    most = left = count_unsent(next(counts))
    moved_at = time.monotonic()
    with counted_step(what, most) as progress:
        for now in counts:
            before, left = left, count_unsent(now)
            most = max(most, left)
            progress.set_done(most - left, most)
            if left != before:
                moved_at = time.monotonic()
            waited = time.monotonic() - moved_at
            if waited > (STUCK_AFTER_SECONDS if left else QUIET_SECONDS):
                return


def count_unsent(counts: Counts) -> int:
    """Returns the number of deliveries that are pending or in flight."""
    states = counts["deliveries"]
    return states.get("pending", 0) + states.get("in_flight", 0)


def count_at_ehr(service: DemoService, ehr: Ehr, result: DemoResult, sent_before: int) -> None:
    """Fills in the number of resources sent, from our database, and held, from the EHR."""
    counts = service.counts()
    result.deliveries, result.sent = counts["deliveries"], counts["resources_sent"]
    result.newly_sent = result.deliveries.get("sent", 0) - sent_before
    if ehr.accepts_our_ids:
        ids = service.sent_ids() if ehr.is_external else {}
        result.read_back = {kind: ehr.count(kind, ids.get(kind, ())) for kind in result.sent}
