"""Reads a resource at the destination, by id or by search for its identifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.exchange.writes import (
    LARGEST_ANSWER,
    MULTIPLE_MATCHES_REASON,
    Write,
    classify_response,
    read_etag,
)
from fhir_pmp.ehr.transport.client import Answer, EhrClient
from fhir_pmp.ehr.transport.response_class import ClassifiedResponse, HttpResponseClass, NotReadable
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a read returned. `resource` is None after a 404 or 410."""

    classified: ClassifiedResponse
    resource: Mapping[str, Any] | None = None
    etag: str | None = None

    @property
    def remote_reference(self) -> str | None:
        """`Type/id` as it stands there."""
        return f"{self.resource['resourceType']}/{self.resource['id']}" if self.resource else None


def read_before_write(client: EhrClient, write: Write, now: datetime) -> ReadResult:
    """Reads what a write would meet. Raises what `EhrClient.ask` raises."""
    if write.remote_reference is None:
        return _search_by_identifier(client, write, now)
    answer = client.ask("GET", write.remote_reference, headers={"Cache-Control": "no-cache"})
    classified = classify_response(answer, now)
    if classified.response_class is not HttpResponseClass.DONE:
        return ReadResult(classified)
    resource = body_of(answer)
    if f"{resource.get('resourceType')}/{resource.get('id')}" != write.remote_reference:
        raise NotReadable
    return ReadResult(classified, resource, read_etag(answer.headers.get("ETag")) or version_id_of(resource))


def _search_by_identifier(client: EhrClient, write: Write, now: datetime) -> ReadResult:
    classified, found = search_type(client, write.kind, str(write.query), now)
    if classified.response_class is not HttpResponseClass.DONE:
        return ReadResult(classified)
    if not found:
        return ReadResult(ClassifiedResponse(HttpResponseClass.NOT_FOUND, 404))
    if len(found) > 1:
        return ReadResult(
            ClassifiedResponse(HttpResponseClass.MULTIPLE_MATCHES, 412, MULTIPLE_MATCHES_REASON)
        )
    return ReadResult(classified, found[0], version_id_of(found[0]))


def search_type(
    client: EhrClient, kind: str, query: str, now: datetime
) -> tuple[ClassifiedResponse, list[dict[str, Any]]]:
    """Returns the first page of a search by POST, past any cache of the server.

    By POST, because identifiers must not appear in a URL.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cache-Control": "no-cache"}
    answer = client.ask("POST", f"{kind}/_search", query.encode(), headers)
    classified = classify_response(answer, now)
    if classified.response_class is not HttpResponseClass.DONE:
        return classified, []
    bundle = body_of(answer)
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise NotReadable
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    return classified, [
        r for r in resources if isinstance(r, dict) and r.get("resourceType") == kind and "id" in r
    ]


def body_of(answer: Answer) -> dict[str, Any]:
    """The body as JSON. Raises NotReadable: an answer of an EHR is untrusted."""
    try:
        return read_json(answer.body, max_bytes=LARGEST_ANSWER)
    except NotUnderstood:
        raise NotReadable from None


def version_id_of(resource: Mapping[str, Any]) -> str | None:
    """`meta.versionId`."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None
