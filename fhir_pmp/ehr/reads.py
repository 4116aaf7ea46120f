"""What stands at the destination now: one resource read and compared, or looked for by its identifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.client import Answer, EhrClient
from fhir_pmp.ehr.outcomes import Meaning, NotReadable, Verdict
from fhir_pmp.ehr.writes import LARGEST_ANSWER, SEVERAL_THERE, Write, read_etag, verdict_of
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.json_reader import read_json


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found. `resource` is None where there is nothing (404) or nothing any more (410)."""

    verdict: Verdict
    resource: Mapping[str, Any] | None = None
    etag: str | None = None

    @property
    def place(self) -> str | None:
        """`Type/id` as it stands there."""
        return f"{self.resource['resourceType']}/{self.resource['id']}" if self.resource else None


def read_standing(client: EhrClient, write: Write, now: datetime) -> Standing:
    """Reads what a write would meet. Raises what `EhrClient.ask` raises."""
    if write.place is None:
        return _look_for(client, write, now)
    answer = client.ask("GET", write.place, headers={"Cache-Control": "no-cache"})
    verdict = verdict_of(answer, now)
    if verdict.meaning is not Meaning.DONE:
        return Standing(verdict)
    resource = body_of(answer)
    if f"{resource.get('resourceType')}/{resource.get('id')}" != write.place:
        raise NotReadable
    return Standing(verdict, resource, read_etag(answer.headers.get("ETag")) or version_of(resource))


def _look_for(client: EhrClient, write: Write, now: datetime) -> Standing:
    verdict, found = find_all(client, write.kind, str(write.query), now)
    if verdict.meaning is not Meaning.DONE:
        return Standing(verdict)
    if not found:
        return Standing(Verdict(Meaning.NOT_THERE, 404))
    if len(found) > 1:
        return Standing(Verdict(Meaning.SEVERAL, 412, SEVERAL_THERE))
    return Standing(verdict, found[0], version_of(found[0]))


def find_all(client: EhrClient, kind: str, query: str, now: datetime) -> tuple[Verdict, list[dict[str, Any]]]:
    """The first page of a search by POST: identifiers stand in no address, and no stored result is given."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cache-Control": "no-cache"}
    answer = client.ask("POST", f"{kind}/_search", query.encode(), headers)
    verdict = verdict_of(answer, now)
    if verdict.meaning is not Meaning.DONE:
        return verdict, []
    bundle = body_of(answer)
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise NotReadable
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    return verdict, [
        r for r in resources if isinstance(r, dict) and r.get("resourceType") == kind and "id" in r
    ]


def body_of(answer: Answer) -> dict[str, Any]:
    """The body as JSON. Raises NotReadable: an answer of an EHR is untrusted."""
    try:
        return read_json(answer.body, max_bytes=LARGEST_ANSWER)
    except NotUnderstood:
        raise NotReadable from None


def version_of(resource: Mapping[str, Any]) -> str | None:
    """`meta.versionId`."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None
