"""Probes that only read: paging, unknown parameters, what changed since, the clock."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from fhir_pmp.ehr.outcomes import OffOrigin
from fhir_pmp.ehr.probing.findings import Found, no, partly, unknown, yes
from fhir_pmp.ehr.probing.ground import Ground, Reply
from fhir_pmp.ehr.rendering import identifier_query

MOST_PAGES = 5


def paging(ground: Ground) -> Found:
    """One resource a page, and the links between."""
    reply = ground.search("_count=1")
    if reply.status != 200:
        return no(f"a search with _count is refused with {reply.status}")
    seen = [one["id"] for one in reply.resources]
    link = _next(reply)
    if not seen:
        return unknown(f"there is no {ground.kind} to page through")
    if len(seen) > 1:
        return no(f"_count=1 gives {len(seen)}")
    if link is None:
        return unknown("there is one page only")
    for _ in range(MOST_PAGES):
        if link is None:
            break
        try:
            reply = ground.ask("GET", link, Cache_Control="no-cache")
        except OffOrigin:
            return no("the next link leads to another server")
        if reply.status != 200:
            return no(f"the next link is answered with {reply.status}")
        seen += [one["id"] for one in reply.resources]
        link = _next(reply)
    if len(seen) != len(set(seen)):
        return no("a resource comes on two pages")
    return yes(f"next links on its own origin; {len(seen)} pages, nothing twice")


def unknown_parameter(ground: Ground) -> Found:
    """A parameter that nobody knows: ignored, it would give everybody."""
    reply = ground.search("no-such-parameter=x&_count=1")
    if 400 <= reply.status < 500:
        return yes(f"an unknown search parameter is refused with {reply.status}")
    if reply.status == 200 and reply.resources:
        return no("an unknown search parameter is ignored: the search gives everything")
    return partly(f"an unknown search parameter is answered with {reply.status} and nothing found")


def by_identifier(ground: Ground) -> Found:
    """A search for an identifier that nobody has, by POST: identifiers stand in no address."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cache-Control": "no-cache"}
    query = identifier_query("urn:fhir-pmp:nobody", ground.value("nobody"))
    answer = ground.client.ask("POST", f"{ground.kind}/_search", query.encode(), headers)
    if answer.status == 200:
        return yes("a search by identifier may be posted")
    return no(f"a search by identifier that is posted is answered with {answer.status}")


def changed_since(ground: Ground) -> Found:
    """What a pull asks: what changed since a moment, oldest first."""
    reply = ground.search("_lastUpdated=ge2020-01-01T00:00:00Z&_sort=_lastUpdated&_count=5")
    if reply.status != 200:
        return no(f"a search by _lastUpdated is refused with {reply.status}")
    moments = [str(one.get("meta", {}).get("lastUpdated", "")) for one in reply.resources]
    if "" in moments:
        return no("resources do not say when they were last updated")
    if sorted(moments) != moments:
        return no("_sort=_lastUpdated is not looked at")
    return yes("_lastUpdated and _sort=_lastUpdated are taken")


def clock(ground: Ground) -> Found:
    """The server's clock, which every pull goes by."""
    reply = ground.ask("GET", f"{ground.kind}?_count=0")
    try:
        theirs = parsedate_to_datetime(reply.headers.get("Date") or "")
    except ValueError:
        return no("answers have no Date")
    return yes(f"answers are dated: {theirs.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _next(reply: Reply) -> str | None:
    links = (reply.body or {}).get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            return str(link.get("url"))
    return None
