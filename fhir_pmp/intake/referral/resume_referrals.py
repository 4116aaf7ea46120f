"""What was kept and never answered, because a process died in between, is taken up again."""

from datetime import datetime

from fhir_pmp.errors import FhirPmpError, TryLater
from fhir_pmp.identifiers import ClientId
from fhir_pmp.intake.referral.referral_receiving import CHANNEL, PROCESSING_TIMEOUT, receive_referral
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store
from fhir_pmp.store.inbox import ArrivalState


def resume_referrals(store: Store, context: PublishingContext, now: datetime) -> int:
    """Receives anew what has lain in the inbox without an answer; returns how many. Safe to repeat and to run beside.

    One that is refused is a work item by then, as if it had just arrived. Raises StoreBusy.
    """
    with store.read() as uow:
        unanswered = [one for one in uow.inbox.list_all(ArrivalState.RECEIVED) if one.channel == CHANNEL]
        abandoned = [one for one in unanswered if now - one.received_at >= PROCESSING_TIMEOUT]
        senders = {one.sender: uow.clients.get(ClientId(one.sender)) for one in abandoned}
    for arrival in abandoned:
        try:
            receive_referral(store, context, senders[arrival.sender], arrival.body, now)
        except TryLater:
            raise
        except FhirPmpError:
            continue  # it is on the worklist, and no longer without an answer
    return len(abandoned)
