"""The Bundles a FHIR server answers with: search pages and transaction responses, around bytes as published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.fhir.operation_outcome import Issue, operation_outcome


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a search page: the resource's bytes as published, meta included."""

    full_url: str
    content: bytes
    mode: str = "match"  # or "include", "outcome"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry of a transaction."""

    status: str  # "201 Created"
    location: str | None = None  # "Task/task-…/_history/1"
    etag: str | None = None  # 'W/"1"'
    last_modified: str | None = None  # a FHIR instant
    issues: Sequence[Issue] = ()


def write_searchset(
    entries: Iterable[Found], *, self_url: str, next_url: str | None = None, total: int | None = None
) -> bytes:
    """A page of search results. The entries' bytes go out untouched: nothing is rendered on the read path."""
    links = [{"relation": "self", "url": self_url}]
    if next_url is not None:
        links.append({"relation": "next", "url": next_url})
    opening = {"resourceType": "Bundle", "type": "searchset"}
    counted = opening if total is None else {**opening, "total": total}
    head = write_canonical({**counted, "link": links})[:-1]
    written = b",".join(_found(entry) for entry in entries)
    return b'%b,"entry":[%b]}' % (head, written) if written else head + b"}"


def write_transaction_response(outcomes: Iterable[Outcome]) -> bytes:
    """The answer to a transaction: one entry for each of its entries, in their order."""
    entries = [{"response": _response(outcome)} for outcome in outcomes]
    return write_canonical({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def _found(entry: Found) -> bytes:
    full_url, mode = orjson.dumps(entry.full_url), orjson.dumps(entry.mode)
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":%b}}' % (full_url, entry.content, mode)


def _response(outcome: Outcome) -> dict[str, object]:
    written: dict[str, object] = {"status": outcome.status}
    members = (
        ("location", outcome.location),
        ("etag", outcome.etag),
        ("lastModified", outcome.last_modified),
    )
    written |= {name: value for name, value in members if value is not None}
    return {**written, "outcome": operation_outcome(outcome.issues)} if outcome.issues else written
