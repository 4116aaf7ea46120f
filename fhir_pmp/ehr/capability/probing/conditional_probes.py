"""Probes conditional writes, and how far the server's search index lags behind its writes."""

from fhir_pmp.ehr.capability.probing.probe_results import ProbeResult, no, partly, unknown, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession, Reply


def search_lag(session: ProbeSession) -> ProbeResult:
    """How long until a search by identifier finds what was just written."""
    reply = session.create("lag")
    if not reply.ok:
        return unknown(f"nothing can be written: {reply.status}")
    seconds = session.seconds_until_found("lag")
    if seconds is None:
        session.lag = session.search_timeout
        return no(f"a search by identifier did not find it within {session.search_timeout:g} s")
    session.lag = seconds
    if seconds < 1:
        return yes("a search by identifier finds it within a second", seconds)
    return partly(f"a search by identifier finds it after {seconds:.0f} s", seconds)


def if_none_exist(session: ProbeSession) -> ProbeResult:
    """Sends the same conditional create twice in a row.

    A repeat after a lost response comes as quickly.
    """
    query = session.query("if-none-exist")
    body = session.resource("if-none-exist")
    first, second = (session.write("POST", session.kind, body, If_None_Exist=query) for _ in range(2))
    if not first.ok:
        return no(f"a conditional create is refused with {first.status}")
    if not _is_duplicated(first, second):
        return yes(f"the second of two is answered with {second.status} and makes nothing")
    session.seconds_until_found("if-none-exist", count=2)
    third = session.write("POST", session.kind, body, If_None_Exist=query)
    if third.status == 412 or third.status == 200:
        return partly(
            "a repeat at once doubles the resource: the condition sees only what the search index has"
        )
    return no("a repeat doubles the resource: If-None-Exist is not looked at")


def conditional_update(session: ProbeSession) -> ProbeResult:
    """The same PUT by identifier twice, the second at once."""
    path = f"{session.kind}?{session.query('conditional-update')}"
    first, second = (
        session.write("PUT", path, session.resource("conditional-update", language=language))
        for language in ("en", "fr")
    )
    if not first.ok:
        return no(f"an update by identifier is refused with {first.status}")
    if not _is_duplicated(first, second):
        return yes(f"the second of two is answered with {second.status} and finds the first")
    return no("a repeat at once doubles the resource")


def caching(session: ProbeSession) -> ProbeResult:
    """Runs the same search before and after a write.

    Finds out whether the second result comes from a cache, and whether that can be turned off.
    """
    query = session.query("caching")
    session.search(query, fresh=False)
    if not session.create("caching").ok:
        return unknown("nothing can be written")
    session.wait_for_search()
    if session.search(query, fresh=False).resources:
        return yes("a repeated search is fresh")
    if session.search(query).resources:
        return partly("a repeated search is answered from a store; Cache-Control: no-cache gives a fresh one")
    return unknown("a fresh search does not find it either")


def _is_duplicated(first: Reply, second: Reply) -> bool:
    return second.ok and second.remote_reference != first.remote_reference
