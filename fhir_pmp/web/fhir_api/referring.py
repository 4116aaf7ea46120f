"""What a practice may write: a referral, as a transaction Bundle; and the cancelling of one, as a PUT of its Task."""

import re

from flask import Response, request

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import ResourceId
from fhir_pmp.intake.cancelling import cancel_referral
from fhir_pmp.intake.referrals import LARGEST_BUNDLE, receive_referral
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.access.callers import client
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.bodies import fhir_body, raw_fhir_body
from fhir_pmp.web.desk import desk
from fhir_pmp.web.errors import PreconditionMissing
from fhir_pmp.web.fhir_api.blueprint import fhir_api
from fhir_pmp.web.fhir_api.parameters import only, read_pairs
from fhir_pmp.web.fhir_api.serving import check_accept, note_versions, serve, version_headers

_VERSION_TAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')


class NotThisTask(NotUnderstood):
    """The body is not the Task that the address names. The caller corrects one of the two."""


@fhir_api.post("")
@may(Visitor.PRACTICE, largest_body=LARGEST_BUNDLE)
def refer() -> Response:
    """A referral: kept before it is understood, recorded and answered in the same request."""
    _check_request()
    raw, here = raw_fhir_body(), desk()
    answer = receive_referral(here.store, here.clinic, here.publisher, client(), raw, here.clock())
    note_resources(answer.resources)
    note_persons([answer.person])
    return serve(answer.body)


@fhir_api.put("/Task/<fhir_id:id>")
@may(Visitor.PRACTICE)
def cancel(id: str) -> Response:
    """The GP takes a referral back: the Task as it was read, with `status` cancelled and nothing else changed."""
    _check_request()
    if_match = _if_match()
    sent, here = fhir_body(), desk()
    if sent.get("resourceType") != "Task" or sent.get("id") != id:
        raise NotThisTask("is not the Task that the address names", field="Task.id")
    with here.store.begin() as books:
        found = cancel_referral(
            books, here.clinic, here.publisher, client(), ResourceId(id), sent, if_match, here.clock()
        )
    note_versions(found)
    return serve(found.content, headers=version_headers(found))


def _check_request() -> None:
    only(read_pairs(request.query_string))
    check_accept()


def _if_match() -> int:
    found = _VERSION_TAG.fullmatch(request.headers.get("If-Match", "").strip())
    if found is None:
        raise PreconditionMissing('is missing, or does not name one version as W/"n"', field="If-Match")
    return int(found[1])
