"""Probes of writes that depend on a search, and of how far a search is behind what is there."""

from fhir_pmp.ehr.probing.findings import Found, no, partly, unknown, yes
from fhir_pmp.ehr.probing.ground import Ground, Reply


def search_lag(ground: Ground) -> Found:
    """How long until a search by identifier finds what was just written."""
    reply = ground.make("lag")
    if not reply.ok:
        return unknown(f"nothing can be written: {reply.status}")
    seconds = ground.seconds_until_found("lag")
    if seconds is None:
        ground.lag = ground.patience
        return no(f"a search by identifier did not find it within {ground.patience:g} s")
    ground.lag = seconds
    if seconds < 1:
        return yes("a search by identifier finds it within a second", seconds)
    return partly(f"a search by identifier finds it after {seconds:.0f} s", seconds)


def if_none_exist(ground: Ground) -> Found:
    """The same conditional create twice, the second at once: a repeat after a lost answer is as quick."""
    query = ground.query("if-none-exist")
    body = ground.resource("if-none-exist")
    first, second = (ground.write("POST", ground.kind, body, If_None_Exist=query) for _ in range(2))
    if not first.ok:
        return no(f"a conditional create is refused with {first.status}")
    if not _doubled(first, second):
        return yes(f"the second of two is answered with {second.status} and makes nothing")
    ground.seconds_until_found("if-none-exist", count=2)
    third = ground.write("POST", ground.kind, body, If_None_Exist=query)
    if third.status == 412 or third.status == 200:
        return partly(
            "a repeat at once doubles the resource: the condition sees only what the search index has"
        )
    return no("a repeat doubles the resource: If-None-Exist is not looked at")


def conditional_update(ground: Ground) -> Found:
    """The same PUT by identifier twice, the second at once."""
    path = f"{ground.kind}?{ground.query('conditional-update')}"
    first, second = (
        ground.write("PUT", path, ground.resource("conditional-update", language=language))
        for language in ("en", "fr")
    )
    if not first.ok:
        return no(f"an update by identifier is refused with {first.status}")
    if not _doubled(first, second):
        return yes(f"the second of two is answered with {second.status} and finds the first")
    return no("a repeat at once doubles the resource")


def caching(ground: Ground) -> Found:
    """The same search before and after a write: is the second answered from a store, and can that be turned off?"""
    query = ground.query("caching")
    ground.search(query, fresh=False)
    if not ground.make("caching").ok:
        return unknown("nothing can be written")
    ground.wait_for_search()
    if ground.search(query, fresh=False).resources:
        return yes("a repeated search is fresh")
    if ground.search(query).resources:
        return partly("a repeated search is answered from a store; Cache-Control: no-cache gives a fresh one")
    return unknown("a fresh search does not find it either")


def _doubled(first: Reply, second: Reply) -> bool:
    return second.ok and second.place != first.place
