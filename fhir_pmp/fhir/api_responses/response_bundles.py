"""Writes search pages and transaction responses around the published bytes of resources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from fhir_pmp.fhir.api_responses.operation_outcome import Issue, build_operation_outcome
from fhir_pmp.fhir.serialization.json_writer import write_canonical


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One entry of a search page: the resource's published bytes, including meta."""

    full_url: str
    content: bytes
    mode: str = "match"  # or "include", "outcome"


@dataclass(frozen=True, slots=True)
class EntryResponse:
    """The result of one entry of a transaction."""

    status: str  # "201 Created"
    location: str | None = None  # "Task/task-…/_history/1"
    etag: str | None = None  # 'W/"1"'
    last_modified: str | None = None  # a FHIR instant
    issues: Sequence[Issue] = ()


def write_searchset(
    entries: Iterable[SearchEntry], *, self_url: str, next_url: str | None = None, total: int | None = None
) -> bytes:
    """Returns a page of search results; the entries' published bytes are copied without change."""
    links = [{"relation": "self", "url": self_url}]
    if next_url is not None:
        links.append({"relation": "next", "url": next_url})
    opening = {"resourceType": "Bundle", "type": "searchset"}
    counted = opening if total is None else {**opening, "total": total}
    head = write_canonical({**counted, "link": links})[:-1]
    written = b",".join(_search_entry(entry) for entry in entries)
    return b'%b,"entry":[%b]}' % (head, written) if written else head + b"}"


def write_transaction_response(responses: Iterable[EntryResponse]) -> bytes:
    """Returns a transaction's response: one entry for each request entry, in order."""
    entries = [{"response": _response(response)} for response in responses]
    return write_canonical({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def _search_entry(entry: SearchEntry) -> bytes:
    full_url, mode = orjson.dumps(entry.full_url), orjson.dumps(entry.mode)
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":%b}}' % (full_url, entry.content, mode)


def _response(response: EntryResponse) -> dict[str, object]:
    written: dict[str, object] = {"status": response.status}
    members = (
        ("location", response.location),
        ("etag", response.etag),
        ("lastModified", response.last_modified),
    )
    written |= {name: value for name, value in members if value is not None}
    return {**written, "outcome": build_operation_outcome(response.issues)} if response.issues else written
