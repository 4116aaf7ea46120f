"""Processes stored referrals again that were never answered because a process died."""

from datetime import datetime

from fhir_pmp.errors import FhirPmpError, TryLater
from fhir_pmp.identifiers import ClientId
from fhir_pmp.intake.referral.referral_receiving import CHANNEL, PROCESSING_TIMEOUT, receive_referral
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store
from fhir_pmp.store.inbox import ArrivalState


def resume_referrals(store: Store, context: PublishingContext, now: datetime) -> int:
    """Receives the unanswered referrals of the inbox again; returns how many. Safe to run concurrently.

    A refused referral gets a work item, as if it had just arrived. Raises StoreBusy.
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
            continue  # it has a work item now and counts as answered
    return len(abandoned)
