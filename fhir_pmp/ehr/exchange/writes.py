"""Writes resources to a FHIR server, singly or in a transaction, and reads its answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from msgspec import Struct

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.transport.client import Answer, EhrClient
from fhir_pmp.ehr.transport.response_class import (
    ClassifiedResponse,
    HttpResponseClass,
    NotReadable,
    classify_status,
)
from fhir_pmp.ehr.transport.retry_after import read_retry_after
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.store.delivery.deliveries import Delivery

LARGEST_ANSWER = 32 * 1024 * 1024
MULTIPLE_MATCHES_REASON = "several at the destination bear this identifier"
_CODE = re.compile(r"[a-z][a-z-]{0,39}")
_STATUS = re.compile(r"[1-5][0-9]{2}")
_PLACE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$")
_ETAG = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?')


class Write(Struct, frozen=True):
    """One write: the bytes, the target, and the condition under which the server takes it."""

    reference: str  # our `Type/id`
    content: bytes
    strategy: WriteStrategy  # of the first write; later ones go to `place`
    remote_reference: str | None  # the destination's `Type/id`; None until the server has named it
    etag: str | None  # the version that must be current there; None for a first write
    query: str | None  # `identifier=system|value`, percent-encoded, for the conditional strategies
    full_url: str

    @property
    def kind(self) -> str:
        """The resource type."""
        return self.reference.partition("/")[0]

    @property
    def conditional(self) -> bool:
        """Whether the server looks for a match before it writes."""
        return self.remote_reference is None

    @property
    def needs_search_first(self) -> bool:
        """Whether we look for a match before it is written, since the server would not."""
        return self.remote_reference is None and self.strategy is WriteStrategy.SEARCH_THEN_CREATE


class WriteResult(Struct, frozen=True):
    """What came of one write."""

    classified: ClassifiedResponse
    remote_reference: str | None = None  # where it stands, as the server says
    etag: str | None = None


def transaction(writes: Sequence[Write]) -> bytes:
    """A transaction Bundle of these writes, in their order."""
    return b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join(map(_entry, writes)) + b"]}"


def read_transaction_answer(answer: Answer, writes: Sequence[Write]) -> list[WriteResult]:
    """What came of each write of a transaction that was answered with success. Raises NotReadable.

    A status is read for each entry: some servers answer 200 and refuse inside.
    """
    bundle = _read(answer)
    entries = bundle.get("entry")
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list) or len(entries) != len(writes):
        raise NotReadable
    return [_entry_answer(entry, write) for entry, write in zip(entries, writes, strict=True)]


def write_one(client: EhrClient, write: Write, now: datetime) -> WriteResult:
    """Sends one write by itself. Raises what `EhrClient.ask` raises."""
    headers = {"If-Match": f'W/"{write.etag}"'} if write.etag is not None else {}
    if write.conditional and write.strategy is WriteStrategy.CONDITIONAL_CREATE:
        answer = client.ask("POST", write.kind, write.content, {"If-None-Exist": str(write.query)})
    elif write.needs_search_first:
        answer = client.ask("POST", write.kind, write.content)
    else:
        answer = client.ask(
            "PUT", write.remote_reference or f"{write.kind}?{write.query}", write.content, headers
        )
    classified = classify_response(answer, now, conditional=write.conditional)
    if classified.response_class is not HttpResponseClass.DONE:
        return WriteResult(classified)
    resource = _read(answer)
    if resource.get("resourceType") != write.kind:
        raise NotReadable
    remote_reference = f"{write.kind}/{resource.get('id')}"
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    etag = read_etag(answer.headers.get("ETag")) or (version if isinstance(version, str) else None)
    return _checked_result(write, remote_reference, etag, classified)


def classify_response(answer: Answer, now: datetime, *, conditional: bool = False) -> ClassifiedResponse:
    """Classifies a whole response.

    Of a refusal only the codes of the OperationOutcome are kept, never its text.
    """
    response_class = classify_status(answer.status, conditional=conditional)
    if response_class is HttpResponseClass.DONE:
        return ClassifiedResponse(response_class, answer.status)
    after = read_retry_after(answer.headers.get("Retry-After"), now)
    reason = (
        MULTIPLE_MATCHES_REASON
        if response_class is HttpResponseClass.MULTIPLE_MATCHES
        else outcome_codes(answer.body)
    )
    return ClassifiedResponse(response_class, answer.status, reason, after)


def outcome_codes(body: bytes) -> str:
    """The issue codes of an OperationOutcome, each once; empty where there is none to read."""
    try:
        return _codes(read_json(body, max_bytes=LARGEST_ANSWER))
    except NotUnderstood:
        return ""


def read_etag(text: object) -> str | None:
    """The version in an ETag: `W/"3"`, `"3"`, or `3` as HAPI writes it in Bundles."""
    match = _ETAG.fullmatch(text.strip()) if isinstance(text, str) else None
    return match[1] if match else None


def _entry(write: Write) -> bytes:
    request: dict[str, str] = {
        "method": "PUT",
        "url": write.remote_reference or f"{write.kind}?{write.query}",
    }
    if write.conditional and write.strategy is WriteStrategy.CONDITIONAL_CREATE:
        request = {"method": "POST", "url": write.kind, "ifNoneExist": str(write.query)}
    elif write.needs_search_first:
        request = {"method": "POST", "url": write.kind}
    elif write.etag is not None:
        request["ifMatch"] = f'W/"{write.etag}"'
    head = b'{"fullUrl":' + orjson.dumps(write.full_url) + b',"resource":'
    return head + write.content + b',"request":' + orjson.dumps(request) + b"}"


def _entry_answer(entry: object, write: Write) -> WriteResult:
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict) or not isinstance(response.get("status"), str):
        raise NotReadable
    status = _STATUS.match(response["status"])
    if status is None:
        raise NotReadable
    classified = _classify_entry_status(int(status[0]), write.conditional)
    if classified.response_class is not HttpResponseClass.DONE:
        outcome = response.get("outcome")
        return WriteResult(
            replace(classified, reason=_codes(outcome)) if isinstance(outcome, dict) else classified
        )
    remote_reference, version = _parse_location(response.get("location"))
    return _checked_result(write, remote_reference, read_etag(response.get("etag")) or version, classified)


@cache
def _classify_entry_status(status: int, conditional: bool) -> ClassifiedResponse:
    """What a status by itself says: a transaction's answer has one for each entry, nearly all the same."""
    return ClassifiedResponse(classify_status(status, conditional=conditional), status)


def _checked_result(
    write: Write, remote_reference: str | None, etag: str | None, done: ClassifiedResponse
) -> WriteResult:
    """Another id than the one we wrote to may be a wrong record: a person looks at it."""
    if (
        write.remote_reference is not None
        and remote_reference is not None
        and remote_reference != write.remote_reference
    ):
        return WriteResult(
            ClassifiedResponse(
                HttpResponseClass.REFUSED, done.status, "the destination answered with another id"
            )
        )
    if write.remote_reference is None and (
        remote_reference is None or remote_reference.partition("/")[0] != write.kind
    ):
        return WriteResult(
            ClassifiedResponse(
                HttpResponseClass.UNKNOWN, done.status, "the destination does not say where it stands"
            )
        )
    return WriteResult(done, remote_reference or write.remote_reference, etag)


def reference_in_location(location: object) -> str | None:
    """`Type/id` at the end of an address; None where there is none."""
    return _parse_location(location)[0]


def _parse_location(location: object) -> tuple[str | None, str | None]:
    match = _PLACE.search(location) if isinstance(location, str) else None
    return (f"{match[1]}/{match[2]}", match[3]) if match else (None, None)


def _read(answer: Answer) -> dict[str, Any]:
    try:
        return read_json(answer.body, max_bytes=LARGEST_ANSWER)
    except NotUnderstood:
        raise NotReadable from None


def _codes(outcome: Mapping[str, Any]) -> str:
    issues = outcome.get("issue")
    codes = (
        [issue.get("code") for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []
    )
    return ", ".join(dict.fromkeys(code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)))


class AcknowledgedWrite(Struct, frozen=True):
    """A delivery that the destination has: where, under which version tag, in which bytes."""

    delivery: Delivery
    remote_reference: str
    etag: str | None
    status: int
    content: bytes
    content_hash: str
