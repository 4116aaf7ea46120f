"""Reads the pages of an EHR's search, with next link and server clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from fhir_pmp.ehr.exchange.reads import body_of
from fhir_pmp.ehr.exchange.writes import classify_response
from fhir_pmp.ehr.transport.client import Answer, EhrClient
from fhir_pmp.ehr.transport.response_class import ClassifiedResponse, HttpResponseClass, NotReadable
from fhir_pmp.fhir.elements.instants import format_instant

PER_PAGE = 200
"""Resources asked for at once."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page. `resources` holds only what was searched for, each with an id."""

    classified: ClassifiedResponse
    resources: tuple[dict[str, Any], ...] = ()
    next: str | None = None  # as the server gave it; where it leads is checked when it is asked
    server_date: datetime | None = None


def changes_url(
    kind: str, since: datetime | None, systems: Sequence[str] = (), per_page: int = PER_PAGE
) -> str:
    """The relative URL of a type's changes since a time of the server's clock.

    `systems` limits it to resources with an identifier of one of these systems.
    """
    asked = [f"_sort=_lastUpdated&_count={per_page}"]
    if systems:
        asked.append("identifier=" + ",".join(f"{quote(system, safe='')}%7C" for system in systems))
    if since is not None:
        asked.append(f"_lastUpdated=ge{quote(format_instant(since), safe='')}")
    return f"{kind}?{'&'.join(asked)}"


def read_page(client: EhrClient, address: str, kind: str, now: datetime) -> SearchPage:
    """Asks for one page, never for a stored result. Raises what `EhrClient.ask` raises."""
    answer = client.ask("GET", address, headers={"Cache-Control": "no-cache"})
    classified = classify_response(answer, now)
    if classified.response_class is not HttpResponseClass.DONE:
        return SearchPage(classified, server_date=server_date_of(answer))
    bundle = body_of(answer)
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise NotReadable
    found = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    resources = tuple(
        r
        for r in found
        if isinstance(r, dict) and r.get("resourceType") == kind and isinstance(r.get("id"), str)
    )
    return SearchPage(classified, resources, _next_link(bundle), server_date_of(answer))


def server_date_of(answer: Answer) -> datetime | None:
    """The server's clock from the Date header, to the second; None if unreadable."""
    text = answer.headers.get("Date")
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None


def last_updated_at(resource: Mapping[str, Any]) -> datetime | None:
    """`meta.lastUpdated` as a moment; None where it is not one."""
    text = last_updated_text(resource)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None


def last_updated_text(resource: Mapping[str, Any]) -> str | None:
    """`meta.lastUpdated` as the server wrote it."""
    meta = resource.get("meta")
    text = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return text if isinstance(text, str) else None


def remote_reference_of(resource: Mapping[str, Any]) -> str:
    """`Type/id`, there."""
    return f"{resource['resourceType']}/{resource['id']}"


def _next_link(bundle: Mapping[str, Any]) -> str | None:
    links = bundle.get("link", [])
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None
