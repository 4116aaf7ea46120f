"""A webhook rings: what came is kept as it came, answered 202 once that is committed, and looked at by sync."""

import re
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.json_reader import DEEPEST_FHIR, read_json
from fhir_pmp.store.inbox import Arrival, ArrivalState
from fhir_pmp.web.access.auditing import note_resources
from fhir_pmp.web.access.callers import hook_destination
from fhir_pmp.web.access.policy import LARGEST_BODY, Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.errors import OtherBody

hooks = Blueprint("hooks", __name__, url_prefix="/hooks")

DOOR = "hook"
ACCEPTED = b'{"status":202}'
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class NotAHint(NotUnderstood):
    """A webhook's body is empty or one FHIR resource, and its address names no other. The sender corrects it."""


@hooks.post("/<destination>")
@hooks.post("/<destination>/<kind>/<id>")
@hooks.put("/<destination>/<kind>/<id>")
@may(Visitor.HOOK, action="create")
def ring(destination: str, kind: str | None = None, id: str | None = None) -> Response:
    """Something changed at the destination: what is said of it is a hint and never the truth."""
    body = _body()
    place = _place(body, kind, id)
    note_resources([] if place is None else [place])
    sender = str(hook_destination())
    key = _key(body, place) if body else None
    here = desk()
    with here.store.begin_beside() as books:
        for before in books.inbox.of_key(DOOR, sender, key) if key else ():
            if before.body != body:
                raise OtherBody("was used for another body", field="Idempotency-Key or meta.versionId")
            return _answer(before)
        if not body and place:
            sender = f"{sender}/{place}"  # nothing in the body tells one from another
        arrival = books.inbox.keep(DOOR, sender, body, now=here.clock())
        if arrival.answer_status is None:
            books.inbox.answered(
                arrival.id, ArrivalState.RECEIVED, key=key or place, status=202, body=ACCEPTED
            )
        elif key is None:
            books.inbox.reopen(arrival.id)  # it bears no version: the same words may mean the next change
    return Response(ACCEPTED, 202, content_type="application/json")


def _answer(before: Arrival) -> Response:
    return Response(
        before.answer_body or ACCEPTED, before.answer_status or 202, content_type="application/json"
    )


def _body() -> bytes:
    data = request.get_data(cache=True)
    if request.content_length is None and len(data) >= LARGEST_BODY:
        raise RequestEntityTooLarge
    return data


def _place(body: bytes, kind: str | None, id: str | None) -> str | None:
    """The `Type/id` that is meant. Raises NotAHint where address and body do not fit together, NotStrictJson."""
    named = None
    if kind is not None and id is not None:
        if not _TYPE.fullmatch(kind) or not _ID.fullmatch(id):
            raise NotAHint("does not name a resource", field="address")
        named = f"{kind}/{id}"
    if not body:
        return named
    resource = _resource(body)
    type_, id_ = str(resource.get("resourceType")), str(resource.get("id"))
    found = f"{type_}/{id_}"
    if not _TYPE.fullmatch(type_) or not _ID.fullmatch(id_) or not {"resourceType", "id"} <= resource.keys():
        raise NotAHint("is not one resource with an id", field="body")
    if named is not None and named != found:
        raise NotAHint("is not the resource that the address names", field="body")
    return found


def _key(body: bytes, place: str | None) -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None:
        if not _KEY.fullmatch(given):
            raise NotAHint("is not 1 to 255 printable characters", field="Idempotency-Key")
        return f"idempotency:{given}"
    meta = _resource(body).get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return f"{place}/_history/{version}" if isinstance(version, str) and _ID.fullmatch(version) else None


def _resource(body: bytes) -> dict[str, Any]:
    return read_json(body, max_bytes=LARGEST_BODY, max_depth=DEEPEST_FHIR)
