"""Receives a GP's referral: stores its bytes, then records and publishes it in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_pmp.errors import FhirPmpError, NotAllowed, NotUnderstood
from fhir_pmp.fhir.api_responses.response_bundles import EntryResponse, write_transaction_response
from fhir_pmp.fhir.elements.instants import format_instant
from fhir_pmp.fhir.referral.referral_bundle import ReferralRequest, read_referral_bundle
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.identifiers import PersonId, ReferralId
from fhir_pmp.intake.clinician_questions import REFERRAL_DIFFERS, REFERRAL_NOT_UNDERSTOOD
from fhir_pmp.intake.referral.referral_recording import entry_ids, record_referral
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.clients import Client
from fhir_pmp.store.inbox import ArrivalState
from fhir_pmp.store.versions.published_versions import PublishedVersion
from fhir_pmp.store.versions.read_scope import Reader

CHANNEL = "referral"
LARGEST_BUNDLE = 5 * 1024 * 1024
"""Bytes of one referral, its attachments included."""

PROCESSING_TIMEOUT = timedelta(minutes=5)
"""After this time an arrival without an answer is processed again: its process must have died."""


class ReferralDiffers(NotAllowed):
    """Other clinical content was received under this ServiceRequest.identifier. A person compares the two."""


@dataclass(frozen=True, slots=True)
class ReferralAnswer:
    """The response to the practice (a transaction-response Bundle) and the ids for the audit."""

    body: bytes
    resources: tuple[str, ...]  # "Type/id/_history/n", in the order of the entries
    person: PersonId
    repeated: bool


def receive_referral(
    store: Store, context: PublishingContext, client: Client, raw: bytes, now: datetime
) -> ReferralAnswer:
    """Stores, reads and records a referral. The same clinical content again gives the same Task.

    Raises BodyTooLarge (nothing is kept), NotUnderstood (kept, and a work item), ReferralDiffers (kept, and a work
    item), StoreBusy.
    """
    with store.begin_without_publishing() as uow:
        arrival = uow.inbox.add(CHANNEL, client.id, raw, now=now)
    try:
        request = read_referral_bundle(
            read_fhir_json(raw, max_bytes=LARGEST_BUNDLE),
            own_references=[f"Organization/{context.clinic.provider_id()}"],
        )
    except NotUnderstood as error:
        _refuse_not_understood(store, arrival.id, client, error, now)
        raise
    with store.begin() as uow:
        known = uow.referrals.find_by_service_request(client.id, request.service_request_identifier)
        if known is not None and known.fingerprint != request.fingerprint:
            differing_referral: ReferralId | None = known.referral.id
        else:
            differing_referral = None
            if known is None:
                record_referral(uow, context, client, request, arrival.id, now)
            answer = _build_answer(uow, context.clinic, client, request, repeated=known is not None)
            key = _inbox_key(request)
            uow.inbox.record_reply(arrival.id, ArrivalState.DONE, key=key, status=200, body=answer.body)
    if differing_referral is not None:
        _refuse_differing(store, arrival.id, differing_referral, request, now)
        raise ReferralDiffers(field="ServiceRequest.identifier")
    return answer


def _inbox_key(request: ReferralRequest) -> str:
    identifier = request.service_request_identifier
    return f"{identifier.system}|{identifier.value}"


def _refuse_not_understood(
    store: Store, arrival: int, client: Client, error: FhirPmpError, now: datetime
) -> None:
    with store.begin_without_publishing() as uow:
        uow.inbox.record_reply(arrival, ArrivalState.REFUSED, key=None, status=400, body=b"")
        uow.work_items.open(
            REFERRAL_NOT_UNDERSTOOD,
            role="clinician",
            about=f"inbox/{arrival}",
            what="a referral arrived that we could not understand; the practice was told why",
            details={"client": client.id, "faults": [str(fault) for fault in error.faults]},
            now=now,
        )


def _refuse_differing(
    store: Store, arrival: int, referral: ReferralId, request: ReferralRequest, now: datetime
) -> None:
    with store.begin_without_publishing() as uow:
        uow.inbox.record_reply(arrival, ArrivalState.REFUSED, key=_inbox_key(request), status=409, body=b"")
        known = uow.referrals.get(referral)
        uow.work_items.open(
            REFERRAL_DIFFERS,
            role="clinician",
            about=f"referral/{referral}",
            person=known.person,
            episode=known.episode,
            what="other clinical content arrived under the identifier of a referral we hold",
            details={"inbox": [uow.referrals.inbox_row(referral), arrival]},
            now=now,
        )


def _build_answer(
    uow: UnitOfWork, clinic: ClinicalContext, client: Client, request: ReferralRequest, *, repeated: bool
) -> ReferralAnswer:
    found = uow.referrals.find_by_service_request(client.id, request.service_request_identifier)
    assert found is not None  # it was recorded above, or before
    ids = entry_ids(clinic, client, found.referral.id, found.referral.person, request)
    references = [f"{entry.type}/{ids[entry.position]}" for entry in request.entries]
    published = uow.published.find_many(Reader.internal(), references)
    versions = [published[reference] for reference in references]
    status = "200 OK" if repeated else "201 Created"
    return ReferralAnswer(
        body=write_transaction_response(_entry_response(version, status) for version in versions),
        resources=tuple(version.reference for version in versions),
        person=found.referral.person,
        repeated=repeated,
    )


def _entry_response(version: PublishedVersion, status: str) -> EntryResponse:
    etag = f'W/"{version.version}"'
    return EntryResponse(
        status, location=version.reference, etag=etag, last_modified=format_instant(version.last_updated)
    )
