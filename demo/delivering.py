"""Watches what is due go out, and counts what the EHR holds against it."""

import time
from collections.abc import Iterator

from demo.ehr import Ehr
from demo.house import Counts, House
from demo.progress import counted
from demo.report import Facts

EVERY_SECONDS = 1.0
STUCK_AFTER_SECONDS = 240
"""Without one delivery getting through: what a killed sync had taken is free again after three minutes."""
QUIET_SECONDS = 3.0
"""Sync looks every two seconds: what it makes meanwhile, such as receipts, is due as well."""


def wait_until_delivered(counts: Iterator[Counts], what: str) -> None:
    """Waits until nothing is due, and nothing new falls due; gives up when nothing gets through for a while."""
    most = left = due(next(counts))
    moved_at = time.monotonic()
    with counted(what, most) as progress:
        for now in counts:
            before, left = left, due(now)
            most = max(most, left)
            progress.at(most - left, most)
            if left != before:
                moved_at = time.monotonic()
            waited = time.monotonic() - moved_at
            if waited > (STUCK_AFTER_SECONDS if left else QUIET_SECONDS):
                return


def due(counts: Counts) -> int:
    """How many deliveries are on their way or will be."""
    states = counts["deliveries"]
    return states.get("pending", 0) + states.get("in_flight", 0)


def read_back(house: House, ehr: Ehr, facts: Facts, sent_before: int) -> None:
    """Fills in what was sent, by our books, and what is there, by the EHR's."""
    counts = house.counts()
    facts.deliveries, facts.sent = counts["deliveries"], counts["resources_sent"]
    facts.newly_sent = facts.deliveries.get("sent", 0) - sent_before
    if ehr.takes_our_ids:
        ids = house.sent_ids() if ehr.is_elsewhere else {}
        facts.read_back = {kind: ehr.count(kind, ids.get(kind, ())) for kind in facts.sent}
