"""Probes that only read: paging, unknown parameters, what changed since, the clock."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from fhir_pmp.ehr.capability.probing.probe_results import ProbeResult, no, partly, unknown, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession, Reply
from fhir_pmp.ehr.exchange.rendering import identifier_query
from fhir_pmp.ehr.transport.response_class import OffOrigin

MOST_PAGES = 5


def paging(session: ProbeSession) -> ProbeResult:
    """One resource a page, and the links between."""
    reply = session.search("_count=1")
    if reply.status != 200:
        return no(f"a search with _count is refused with {reply.status}")
    seen = [one["id"] for one in reply.resources]
    link = _next_link(reply)
    if not seen:
        return unknown(f"there is no {session.kind} to page through")
    if len(seen) > 1:
        return no(f"_count=1 gives {len(seen)}")
    if link is None:
        return unknown("there is one page only")
    for _ in range(MOST_PAGES):
        if link is None:
            break
        try:
            reply = session.ask("GET", link, Cache_Control="no-cache")
        except OffOrigin:
            return no("the next link leads to another server")
        if reply.status != 200:
            return no(f"the next link is answered with {reply.status}")
        seen += [one["id"] for one in reply.resources]
        link = _next_link(reply)
    if len(seen) != len(set(seen)):
        return no("a resource comes on two pages")
    return yes(f"next links on its own origin; {len(seen)} pages, nothing twice")


def unknown_parameter(session: ProbeSession) -> ProbeResult:
    """A parameter that nobody knows: ignored, it would give everybody."""
    reply = session.search("no-such-parameter=x&_count=1")
    if 400 <= reply.status < 500:
        return yes(f"an unknown search parameter is refused with {reply.status}")
    if reply.status == 200 and reply.resources:
        return no("an unknown search parameter is ignored: the search gives everything")
    return partly(f"an unknown search parameter is answered with {reply.status} and nothing found")


def by_identifier(session: ProbeSession) -> ProbeResult:
    """A search for an identifier that nobody has, by POST: identifiers stand in no address."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cache-Control": "no-cache"}
    query = identifier_query("urn:fhir-pmp:nobody", session.value("nobody"))
    answer = session.client.ask("POST", f"{session.kind}/_search", query.encode(), headers)
    if answer.status == 200:
        return yes("a search by identifier may be posted")
    return no(f"a search by identifier that is posted is answered with {answer.status}")


def changed_since(session: ProbeSession) -> ProbeResult:
    """What a pull asks: what changed since a moment, oldest first."""
    reply = session.search("_lastUpdated=ge2020-01-01T00:00:00Z&_sort=_lastUpdated&_count=5")
    if reply.status != 200:
        return no(f"a search by _lastUpdated is refused with {reply.status}")
    moments = [str(one.get("meta", {}).get("lastUpdated", "")) for one in reply.resources]
    if "" in moments:
        return no("resources do not say when they were last updated")
    if sorted(moments) != moments:
        return no("_sort=_lastUpdated is not looked at")
    return yes("_lastUpdated and _sort=_lastUpdated are taken")


def clock(session: ProbeSession) -> ProbeResult:
    """The server's clock, which every pull goes by."""
    reply = session.ask("GET", f"{session.kind}?_count=0")
    try:
        theirs = parsedate_to_datetime(reply.headers.get("Date") or "")
    except ValueError:
        return no("answers have no Date")
    return yes(f"answers are dated: {theirs.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _next_link(reply: Reply) -> str | None:
    links = (reply.body or {}).get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            return str(link.get("url"))
    return None
