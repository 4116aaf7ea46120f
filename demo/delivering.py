"""Watches what is due go out, and counts what the EHR holds against it."""

import time

from demo.ehr import Ehr
from demo.house import House
from demo.progress import counted
from demo.report import Facts

STUCK_AFTER_SECONDS = 150
"""Without one delivery getting through."""
EVERY_SECONDS = 0.5
QUIET_SECONDS = 3.0
"""Sync looks every two seconds: letters that it drafts meanwhile are due as well."""


def wait_until_delivered(house: House, what: str) -> None:
    """Waits until nothing is due, and nothing new falls due; gives up when nothing gets through for a while."""
    most = left = due(house.counts()["deliveries"])
    moved_at = time.monotonic()
    with counted(what, most) as progress, house.counting(EVERY_SECONDS) as counts:
        for now in counts:
            before, left = left, due(now["deliveries"])
            most = max(most, left)
            progress.at(most - left, most)
            if left != before:
                moved_at = time.monotonic()
            waited = time.monotonic() - moved_at
            if waited > (STUCK_AFTER_SECONDS if left else QUIET_SECONDS):
                return


def due(states: dict[str, int]) -> int:
    """How many deliveries are on their way or will be."""
    return states.get("pending", 0) + states.get("in_flight", 0)


def read_back(house: House, ehr: Ehr, facts: Facts, sent_before: int) -> None:
    """Fills in what was sent, by our books, and what is there, by the EHR's."""
    counts = house.counts()
    facts.deliveries, facts.sent = counts["deliveries"], counts["resources_sent"]
    facts.newly_sent = facts.deliveries.get("sent", 0) - sent_before
    if ehr.takes_our_ids:
        ids = house.sent_ids() if ehr.is_elsewhere else {}
        facts.read_back = {kind: ehr.count(kind, ids.get(kind, ())) for kind in facts.sent}
