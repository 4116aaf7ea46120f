"""Receives an EHR's webhook: stores its body unchanged and answers 202 once it is committed.

The sync process handles the stored body later; it reads the changed resource from the EHR itself.
"""

import re
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import MAX_FHIR_DEPTH, read_json
from fhir_pmp.store.inbox import Arrival, ArrivalState
from fhir_pmp.web.access.audit_trail import note_resources
from fhir_pmp.web.access.callers import hook_destination
from fhir_pmp.web.access.policy import MAX_BODY_BYTES, CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.error_responses import IdempotencyKeyReused

hooks = Blueprint("hooks", __name__, url_prefix="/hooks")

CHANNEL = "hook"
ACCEPTED_BODY = b'{"status":202}'
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class InvalidNotification(NotUnderstood):
    """A webhook must carry one FHIR resource or none, and match its address. The sender corrects it."""


@hooks.post("/<destination>")
@hooks.post("/<destination>/<kind>/<id>")
@hooks.put("/<destination>/<kind>/<id>")
@allow(CallerKind.HOOK, action="create")
def receive(destination: str, kind: str | None = None, id: str | None = None) -> Response:
    """Stores a notification that a resource changed at the destination.

    The body is a hint only: the sync process never takes values from it.
    """
    body = _body()
    reference = _named_reference(body, kind, id)
    note_resources([] if reference is None else [reference])
    sender = str(hook_destination())
    key = _key(body, reference) if body else None
    context = web_context()
    with context.store.begin_without_publishing() as uow:
        for earlier in uow.inbox.list_by_key(CHANNEL, sender, key) if key else ():
            if earlier.body != body:
                raise IdempotencyKeyReused(
                    "was used for another body", field="Idempotency-Key or meta.versionId"
                )
            return _answer(earlier)
        if not body and reference:
            sender = f"{sender}/{reference}"  # an empty body does not say which resource changed
        arrival = uow.inbox.add(CHANNEL, sender, body, now=context.clock())
        if arrival.reply_status is None:
            uow.inbox.record_reply(
                arrival.id, ArrivalState.RECEIVED, key=key or reference, status=202, body=ACCEPTED_BODY
            )
        elif key is None:
            uow.inbox.reopen(arrival.id)  # without a version the same bytes may report another change
    return Response(ACCEPTED_BODY, 202, content_type="application/json")


def _answer(earlier: Arrival) -> Response:
    return Response(
        earlier.reply_body or ACCEPTED_BODY, earlier.reply_status or 202, content_type="application/json"
    )


def _body() -> bytes:
    data = request.get_data(cache=True)
    if request.content_length is None and len(data) >= MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return data


def _named_reference(body: bytes, kind: str | None, id: str | None) -> str | None:
    """Returns the `Type/id` that the address or the body names.

    Raises InvalidNotification where the two do not match, and NotStrictJson.
    """
    named = None
    if kind is not None and id is not None:
        if not _TYPE.fullmatch(kind) or not _ID.fullmatch(id):
            raise InvalidNotification("does not name a resource", field="address")
        named = f"{kind}/{id}"
    if not body:
        return named
    resource = _resource(body)
    type_, id_ = str(resource.get("resourceType")), str(resource.get("id"))
    found = f"{type_}/{id_}"
    if not _TYPE.fullmatch(type_) or not _ID.fullmatch(id_) or not {"resourceType", "id"} <= resource.keys():
        raise InvalidNotification("is not one resource with an id", field="body")
    if named is not None and named != found:
        raise InvalidNotification("is not the resource that the address names", field="body")
    return found


def _key(body: bytes, reference: str | None) -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None:
        if not _KEY.fullmatch(given):
            raise InvalidNotification("is not 1 to 255 printable characters", field="Idempotency-Key")
        return f"idempotency:{given}"
    meta = _resource(body).get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return f"{reference}/_history/{version}" if isinstance(version, str) and _ID.fullmatch(version) else None


def _resource(body: bytes) -> dict[str, Any]:
    return read_json(body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_FHIR_DEPTH)
