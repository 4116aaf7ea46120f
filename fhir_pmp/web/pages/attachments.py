"""Serves a referral's attachments as downloads, which a browser never executes."""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from fhir_pmp.identifiers import ReferralId
from fhir_pmp.publishing.episode_resources import read_published
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.blueprint import pages, staff_may_read

_FILE_EXTENSIONS = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "text/plain": ".txt",
}
"""Content types that are kept; any other becomes application/octet-stream."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment of a resource, as it was sent."""

    title: str | None
    content_type: str
    data: str  # base64

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        return len(self.data) * 3 // 4


def list_attachments(resource: Mapping[str, Any]) -> list[Attachment]:
    """Returns every attachment with data anywhere in a resource, in document order."""
    return list(_walk_attachments(resource))


def _walk_attachments(value: Any) -> Iterator[Attachment]:
    if isinstance(value, Mapping):
        if isinstance(value.get("data"), str) and isinstance(value.get("contentType"), str):
            yield Attachment(value.get("title"), value["contentType"], value["data"])
        for member in value.values():
            yield from _walk_attachments(member)
    elif isinstance(value, list):
        for member in value:
            yield from _walk_attachments(member)


@pages.get("/referrals/<referral_id>/attachments/<int:position>/<int:number>")
@staff_may_read
def attachment(referral_id: str, position: int, number: int) -> Response:
    """Returns attachment `number` (from 1) of the referral's entry at `position` (from 0)."""
    with web_context().store.read() as uow:
        referral = uow.referrals.get(ReferralId(referral_id))
        entries = {entry.position: entry for entry in uow.referrals.entries(referral.id)}
        entry = entries.get(position)
        found = None if entry is None else uow.published.find(Reader.internal(), entry.type, entry.id)
    if found is None:
        raise NotFound
    attached = list_attachments(read_published(found.content))
    if not 1 <= number <= len(attached):
        raise NotFound
    note_persons([referral.person])
    note_resources([found.reference])
    return _download_response(attached[number - 1], f"referral-{referral.number}-{position + 1}-{number}")


def _download_response(one: Attachment, name: str) -> Response:
    try:
        content = b64decode("".join(one.data.split()), validate=True)
    except binascii.Error:
        raise NotFound from None
    kind = one.content_type.partition(";")[0].strip().lower()
    extension = _FILE_EXTENSIONS.get(kind)
    # The sender's file name is not used: it could contain a patient's name.
    headers = {"Content-Disposition": f'attachment; filename="{name}{extension or ".bin"}"'}
    return Response(content, headers=headers, content_type=kind if extension else "application/octet-stream")
