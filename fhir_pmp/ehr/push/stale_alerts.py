"""Opens one work item a destination for deliveries that stay unacknowledged for days."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from fhir_pmp.ehr.config.work_item_kinds import UNACKNOWLEDGED
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Store, UnitOfWork

_WHAT = (
    "Deliveries to this destination have gone without an acknowledgement for days. "
    "Find out whether it is down or does not let us in; nothing is lost and nothing has to be sent by hand."
)


def alert_unacknowledged(
    store: Store, destinations: Iterable[DestinationId], *, older_than: timedelta, now: datetime
) -> int:
    """Opens a work item for each destination with overdue deliveries, else closes it.

    Returns the number of destinations with overdue deliveries. One item a destination: a delivery that blocks one person
    alone is dead or waiting, with an item of its own. Deliveries that were never tried, because the server is down or does
    not state what it can do, are counted too. Safe to repeat.
    """
    late = 0
    for destination in destinations:
        with store.read() as uow:
            found = uow.deliveries.unacknowledged(destination, before=now - older_than)
            open_item = uow.work_items.find_open(UNACKNOWLEDGED, _about(destination))
        late += found is not None
        if (found is None) == (open_item is None):
            continue
        with store.begin_without_publishing() as uow:
            if found is None:
                how = "nothing stands for so long any more"
                uow.work_items.close_about(UNACKNOWLEDGED, _about(destination), by="sync", how=how, now=now)
            else:
                _open_work_item(uow, destination, *found, now)
    return late


def _open_work_item(
    uow: UnitOfWork, destination: DestinationId, count: int, oldest: datetime, now: datetime
) -> None:
    uow.work_items.open(
        UNACKNOWLEDGED,
        about=_about(destination),
        role="administrator",
        what=_WHAT,
        now=now,
        details={
            "destination": destination,
            "deliveries": count,
            "since": oldest.isoformat(timespec="seconds"),
            "breaker": uow.breakers.get(destination).state,
        },
    )


def _about(destination: DestinationId) -> str:
    return f"destination/{destination}"
