"""Opens work items when the EHR edits, deletes or duplicates our resource.

An alert that a person has decided is not opened again.
"""

from datetime import datetime

from fhir_pmp.ehr.config.work_item_kinds import DELETED, DUPLICATED, EDITED
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.remote_state.reconciliation import ExpectedResource

_WHAT = {
    EDITED: "Somebody changed our resource at the destination. Compare both and decide which stands.",
    DELETED: "Somebody deleted our resource at the destination. Ask why; it is not made anew without a decision.",
    DUPLICATED: "Several resources at the destination bear one identifier of ours. Ask their team which is to go.",
}


def open_edit_alert(
    uow: UnitOfWork,
    kind: str,
    destination: DestinationId,
    reference: str,
    *,
    theirs: str | None,
    person: PersonId | None,
    now: datetime,
    inbox: int | None = None,
) -> bool:
    """Opens a work item about a changed resource of ours; returns whether it is new.

    `theirs` is the EHR's version, which a decision was about.
    """
    about = f"delivery/{destination}/{reference}"
    last = uow.work_items.find_last(kind, about)
    if last is not None and (last.closed_at is None or _was_decided(last.closed_by, last.details, theirs)):
        return False
    details: dict[str, object] = {"destination": destination, "resource": reference, "theirs": theirs}
    if inbox is not None:
        details["inbox"] = [inbox]
    uow.work_items.open(
        kind, about=about, role="administrator", what=_WHAT[kind], now=now, person=person, details=details
    )
    return True


def close_edit_alerts(
    uow: UnitOfWork, destination: DestinationId, reference: str, *, seen_at: datetime, now: datetime
) -> bool:
    """Closes the alerts opened before a version of ours was seen at the EHR.

    Returns whether there were any.
    """
    about = f"delivery/{destination}/{reference}"
    closed = False
    for kind in (EDITED, DELETED):
        item = uow.work_items.find_open(kind, about)
        # One that a dead delivery rests on stays until that one is replayed.
        if item is not None and "delivery" not in item.details and item.since <= seen_at:
            uow.work_items.close(item.id, by="sync", how="what stands there is ours", now=now)
            closed = True
    return closed


def person_of(expected: ExpectedResource | None) -> PersonId | None:
    """Whom a resource is about."""
    return None if expected is None else expected.person


def _was_decided(by: str | None, details: object, theirs: str | None) -> bool:
    return by != "sync" and isinstance(details, dict) and details.get("theirs") == theirs
