"""What was kept and never answered, because a process died in between, is taken up again."""

from datetime import datetime

from fhir_pmp.errors import FhirPmpError, TryLater
from fhir_pmp.identifiers import ClientId
from fhir_pmp.intake.referrals import DOOR, IN_HANDS, receive_referral
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from fhir_pmp.store.inbox import ArrivalState


def take_up_referrals(store: Store, clinic: Clinic, publisher: Publisher, now: datetime) -> int:
    """Receives anew what has lain in the inbox without an answer; returns how many. Safe to repeat and to run beside.

    One that is refused is a work item by then, as if it had just arrived. Raises StoreBusy.
    """
    with store.read() as books:
        left = [one for one in books.inbox.list_all(ArrivalState.RECEIVED) if one.door == DOOR]
        old = [one for one in left if now - one.received_at >= IN_HANDS]
        senders = {one.sender: books.clients.get(ClientId(one.sender)) for one in old}
    for arrival in old:
        try:
            receive_referral(store, clinic, publisher, senders[arrival.sender], arrival.body, now)
        except TryLater:
            raise
        except FhirPmpError:
            continue  # it is on the worklist, and no longer without an answer
    return len(old)
