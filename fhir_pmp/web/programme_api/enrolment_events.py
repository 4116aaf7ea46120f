"""Records a known enrolment's lesson or ending; a repeat gets the first reply."""

from collections.abc import Callable
from datetime import datetime

from flask import Response

from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.arrivals import RecordingResult, RecordingStatus
from fhir_pmp.intake.episode.enrolment_lookup import find_enrolment
from fhir_pmp.store import UnitOfWork
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.enrolment_schemas import build_enrolment_reply
from fhir_pmp.web.programme_api.idempotent_replies import IdempotentReplies, RequestFingerprint
from fhir_pmp.web.programme_api.refusals import build_refusal_response, enrolment_field


def record_enrolment_event(
    source_id: SourceId,
    enrolment: str,
    fingerprint: RequestFingerprint,
    *,
    amends: bool,
    record: Callable[[UnitOfWork, datetime], RecordingResult],
) -> Response:
    """Records the event and stores its reply in one transaction.

    Raises EnrolmentUnknown, and what `record` raises.
    """
    context = web_context()
    with context.store.begin() as uow:
        now, reply_store = context.clock(), IdempotentReplies(uow, source_id)
        note_persons([find_enrolment(uow, source_id, enrolment).person])
        earlier_reply = reply_store.find(fingerprint)
        if earlier_reply is not None and not amends:
            return earlier_reply.to_response()
        result = record(uow, now)
        if result.refusal is None:
            new_reply = build_enrolment_reply(result, find_enrolment(uow, source_id, enrolment))
            reply = (
                earlier_reply
                if earlier_reply is not None and result.status is RecordingStatus.REPEATED
                else new_reply
            )
            reply_store.keep({fingerprint: reply}, now=now)
    return (
        build_refusal_response(result.refusal, enrolment_field)
        if result.refusal is not None
        else reply.to_response()
    )
