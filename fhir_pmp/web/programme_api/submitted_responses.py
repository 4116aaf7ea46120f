"""Records the responses of one request, with their stored replies, in one transaction.

The CSV import records responses with the same function of `intake`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.store import UnitOfWork
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import enrolment_source, own_source
from fhir_pmp.web.programme_api.idempotent_replies import IdempotentReplies, Reply, RequestFingerprint
from fhir_pmp.web.programme_api.response_schemas import build_arrived_response, build_response_reply


@dataclass(frozen=True, slots=True)
class SubmittedResponse:
    """One response as sent: the platform's id, the validated body and the raw JSON."""

    platform_id: str
    body: Mapping[str, Any]
    raw: Mapping[str, Any]


def record_submitted_responses(submitted: Sequence[SubmittedResponse]) -> list[Reply | FhirPmpError]:
    """Records the responses; returns for each, in order, its reply or why it was refused."""
    context = web_context()
    fingerprints = [RequestFingerprint.of(f"response/{one.platform_id}", one.raw) for one in submitted]
    with context.store.begin() as uow:
        now, reply_store = context.clock(), IdempotentReplies(uow, own_source())
        _note_persons_of(uow, submitted)
        earlier_replies = reply_store.find_many(fingerprints)
        # A repeat that does not amend is not recorded again; it gets its first reply.
        to_record = [
            at
            for at, one in enumerate(submitted)
            if one.body["amends"] or fingerprints[at] not in earlier_replies
        ]
        arrivals = [
            build_arrived_response(
                own_source(), enrolment_source(), submitted[at].platform_id, submitted[at].body
            )
            for at in to_record
        ]
        results = dict(
            zip(
                to_record,
                record_responses(uow, context.publishing, arrivals, now),
                strict=True,
            )
        )
        replies: list[Reply | FhirPmpError] = []
        new: dict[RequestFingerprint, Reply] = {}
        for at, (one, fingerprint) in enumerate(zip(submitted, fingerprints, strict=True)):
            result, known = results.get(at), earlier_replies.get(fingerprint) or new.get(fingerprint)
            if result is not None and result.refusal is not None:
                replies.append(result.refusal)
            elif result is None or (result.status is RecordingStatus.REPEATED and known is not None):
                replies.append(known or earlier_replies[fingerprint])
            else:
                replies.append(new.setdefault(fingerprint, build_response_reply(one.platform_id, result)))
        reply_store.keep(new, now=now)
    return replies


def _note_persons_of(uow: UnitOfWork, submitted: Sequence[SubmittedResponse]) -> None:
    found = uow.episodes.find_by_enrolments(enrolment_source(), [one.body["enrolment"] for one in submitted])
    note_persons(episode.person for episode in found.values())
