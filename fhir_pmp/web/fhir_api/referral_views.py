"""Accepts a practice's writes: a referral as transaction Bundle, a cancellation as PUT Task."""

import re

from flask import Response, request

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import ResourceId
from fhir_pmp.intake.referral.referral_cancellation import cancel_referral
from fhir_pmp.intake.referral.referral_receiving import LARGEST_BUNDLE, receive_referral
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.access.callers import client
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.error_responses import PreconditionMissing
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.fhir_responses import (
    build_fhir_response,
    check_accept,
    note_versions,
    version_headers,
)
from fhir_pmp.web.fhir_api.search_parameters import parse_query, reject_other_parameters
from fhir_pmp.web.request_bodies import read_fhir_body, read_raw_fhir_body

_VERSION_TAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')


class TaskDoesNotMatchAddress(NotUnderstood):
    """The body is not the Task that the address names. The caller corrects one of the two."""


@fhir_api.post("")
@allow(CallerKind.PRACTICE, max_body_bytes=LARGEST_BUNDLE)
def refer() -> Response:
    """Receives a referral and answers it in the same request.

    The raw body is stored first, then the referral is recorded.
    """
    _check_request()
    raw, context = read_raw_fhir_body(), web_context()
    answer = receive_referral(context.store, context.publishing, client(), raw, context.clock())
    note_resources(answer.resources)
    note_persons([answer.person])
    return build_fhir_response(answer.body)


@fhir_api.put("/Task/<fhir_id:id>")
@allow(CallerKind.PRACTICE)
def cancel(id: str) -> Response:
    """Cancels a referral for the GP.

    The body is the Task as it was read, with `status` cancelled and nothing else changed.
    """
    _check_request()
    if_match = _if_match()
    sent, context = read_fhir_body(), web_context()
    if sent.get("resourceType") != "Task" or sent.get("id") != id:
        raise TaskDoesNotMatchAddress("is not the Task that the address names", field="Task.id")
    with context.store.begin() as uow:
        found = cancel_referral(
            uow, context.publishing, client(), ResourceId(id), sent, if_match, context.clock()
        )
    note_versions(found)
    return build_fhir_response(found.content, headers=version_headers(found))


def _check_request() -> None:
    reject_other_parameters(parse_query(request.query_string))
    check_accept()


def _if_match() -> int:
    found = _VERSION_TAG.fullmatch(request.headers.get("If-Match", "").strip())
    if found is None:
        raise PreconditionMissing('is missing, or does not name one version as W/"n"', field="If-Match")
    return int(found[1])
