"""A GP's referral arrives: kept verbatim before it is understood, then recorded and published in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_pmp.errors import FhirPmpError, NotAllowed, NotUnderstood
from fhir_pmp.fhir.bundles import Outcome, write_transaction_response
from fhir_pmp.fhir.instants import instant
from fhir_pmp.fhir.json_reader import read_strict
from fhir_pmp.fhir.referral_bundle import ReferralRequest, read_referral_bundle
from fhir_pmp.identifiers import PersonId, ReferralId
from fhir_pmp.intake.referral_recording import entry_ids, record_referral
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books, Store
from fhir_pmp.store.clients import Client
from fhir_pmp.store.inbox import ArrivalState
from fhir_pmp.store.published import PublishedVersion
from fhir_pmp.store.readers import Reader

DOOR = "referral"
LARGEST_BUNDLE = 5 * 1024 * 1024
"""Bytes of one referral, its attachments included."""

IN_HANDS = timedelta(minutes=5)
"""An arrival without an answer that is older than this is in nobody's hands any more: its process died."""


class ReferralDiffers(NotAllowed):
    """Other clinical content was received under this ServiceRequest.identifier. A person compares the two."""


@dataclass(frozen=True, slots=True)
class ReferralAnswer:
    """What the practice is told: a transaction-response Bundle, and what the audit names."""

    body: bytes
    resources: tuple[str, ...]  # "Type/id/_history/n", in the order of the entries
    person: PersonId
    repeated: bool


def receive_referral(
    store: Store, clinic: Clinic, publisher: Publisher, client: Client, raw: bytes, now: datetime
) -> ReferralAnswer:
    """Keeps what arrived, understands it, records it. The same clinical content again gives the same Task.

    Raises BodyTooLarge (nothing is kept), NotUnderstood (kept, and a work item), ReferralDiffers (kept, and a work
    item), StoreBusy.
    """
    with store.begin_beside() as books:
        arrival = books.inbox.keep(DOOR, client.id, raw, now=now)
    try:
        request = read_referral_bundle(
            read_strict(raw, max_bytes=LARGEST_BUNDLE), ours=[f"Organization/{clinic.provider_id()}"]
        )
    except NotUnderstood as wrong:
        _leave_to_a_person(store, arrival.id, client, wrong, now)
        raise
    with store.begin() as books:
        known = books.referrals.find_by_service_request(client.id, request.service_request_identifier)
        if known is not None and known.fingerprint != request.fingerprint:
            differing: ReferralId | None = known.referral.id
        else:
            differing = None
            if known is None:
                record_referral(books, clinic, publisher, client, request, arrival.id, now)
            answer = _answer(books, clinic, client, request, repeated=known is not None)
            key = _key(request)
            books.inbox.answered(arrival.id, ArrivalState.DONE, key=key, status=200, body=answer.body)
    if differing is not None:
        _leave_comparing(store, arrival.id, differing, request, now)
        raise ReferralDiffers(field="ServiceRequest.identifier")
    return answer


def _key(request: ReferralRequest) -> str:
    identifier = request.service_request_identifier
    return f"{identifier.system}|{identifier.value}"


def _leave_to_a_person(
    store: Store, arrival: int, client: Client, wrong: FhirPmpError, now: datetime
) -> None:
    with store.begin_beside() as books:
        books.inbox.answered(arrival, ArrivalState.REFUSED, key=None, status=400, body=b"")
        books.work_items.open(
            "referral_not_understood",
            role="clinician",
            about=f"inbox/{arrival}",
            what="a referral arrived that we could not understand; the practice was told why",
            details={"client": client.id, "faults": [str(fault) for fault in wrong.faults]},
            now=now,
        )


def _leave_comparing(
    store: Store, arrival: int, referral: ReferralId, request: ReferralRequest, now: datetime
) -> None:
    with store.begin_beside() as books:
        books.inbox.answered(arrival, ArrivalState.REFUSED, key=_key(request), status=409, body=b"")
        known = books.referrals.get(referral)
        books.work_items.open(
            "referral_differs",
            role="clinician",
            about=f"referral/{referral}",
            person=known.person,
            episode=known.episode,
            what="other clinical content arrived under the identifier of a referral we hold",
            details={"inbox": [books.referrals.inbox_row(referral), arrival]},
            now=now,
        )


def _answer(
    books: Books, clinic: Clinic, client: Client, request: ReferralRequest, *, repeated: bool
) -> ReferralAnswer:
    found = books.referrals.find_by_service_request(client.id, request.service_request_identifier)
    assert found is not None  # it was recorded above, or before
    ids = entry_ids(clinic, client, found.referral.id, found.referral.person, request)
    references = [f"{entry.type}/{ids[entry.position]}" for entry in request.entries]
    published = books.published.find_many(Reader.house(), references)
    placed = [published[reference] for reference in references]
    status = "200 OK" if repeated else "201 Created"
    return ReferralAnswer(
        body=write_transaction_response(_outcome(version, status) for version in placed),
        resources=tuple(version.reference for version in placed),
        person=found.referral.person,
        repeated=repeated,
    )


def _outcome(version: PublishedVersion, status: str) -> Outcome:
    etag = f'W/"{version.version}"'
    return Outcome(status, location=version.reference, etag=etag, last_modified=instant(version.last_updated))
