"""Serves PUT /programme/enrolments/{enrolment}: enrols a person or amends the enrolment."""

from typing import Any

from flask import Response

from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import (
    accepts_body,
    also_returns,
    enrolment_source,
    operation,
    raw_body,
    returns,
)
from fhir_pmp.web.programme_api.enrolment_schemas import (
    EnrolmentResultSchema,
    EnrolmentSchema,
    build_arrived_enrolment,
    build_enrolment_reply,
)
from fhir_pmp.web.programme_api.idempotent_replies import IdempotentReplies, RequestFingerprint
from fhir_pmp.web.programme_api.refusals import build_refusal_response, enrolment_field
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


@operation("PUT", "/enrolments/<own_id:enrolment>")
@allow(CallerKind.PLATFORM)
@accepts_body(EnrolmentSchema)
@returns(201, EnrolmentResultSchema, "The person is enrolled")
@also_returns(200, EnrolmentResultSchema, "It was recorded before, or it amends what was recorded")
@also_returns(
    409, ErrorSchema, "Other content is recorded under this id, or its referral is not accepted yet"
)
def enrol(body: dict[str, Any], enrolment: str) -> Response:
    """Enrol a person, under the platform's own id of the enrolment.

    A repeat is answered as it was the first time. Other content under the same id is 409 unless `amends` is true.
    An enrolment that names a referral is 409 until a clinician has accepted that referral: send it again then.
    """
    context, source_id = web_context(), enrolment_source()
    fingerprint = RequestFingerprint.of(f"enrolment/{enrolment}", raw_body())
    with context.store.begin() as uow:
        now, reply_store = context.clock(), IdempotentReplies(uow, source_id)
        earlier_reply = reply_store.find(fingerprint)
        known = uow.episodes.find_by_enrolment(source_id, enrolment)
        if known is not None:
            note_persons([known.person])
        if earlier_reply is not None and not body["amends"]:
            return earlier_reply.to_response()
        arrival = build_arrived_enrolment(source_id, enrolment, body, known)
        (result,) = record_enrolments(uow, context.publishing, [arrival], now)
        if result.refusal is None:
            episode = uow.episodes.find_by_enrolment(source_id, enrolment)
            assert episode is not None  # it was recorded just now
            note_persons([episode.person])
            again = earlier_reply is not None and result.status is RecordingStatus.REPEATED
            reply = (
                earlier_reply
                if again and earlier_reply is not None
                else build_enrolment_reply(result, episode)
            )
            reply_store.keep({fingerprint: reply}, now=now)
    # After the commit, because a refusal may have opened a work item.
    return (
        build_refusal_response(result.refusal, enrolment_field)
        if result.refusal is not None
        else reply.to_response()
    )
