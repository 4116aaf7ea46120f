"""Probes of single writes: ids of ours, versions, preconditions, removal."""

from fhir_pmp.ehr.capability.probing.probe_results import ProbeResult, no, partly, unknown, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession

STALE = frozenset({409, 412})
NO_UPDATES = frozenset({405, 501})
ALREADY_THERE = frozenset({304, 409, 412})


def client_ids(session: ProbeSession) -> ProbeResult:
    """PUT under an id that nobody has."""
    reply = session.put("client-id")
    if not reply.ok:
        return no(f"PUT under a new id of ours is refused with {reply.status}")
    wanted = f"{session.kind}/{session.id('client-id')}"
    if reply.remote_reference != wanted or session.read(wanted).status != 200:
        return no("PUT under a new id of ours is answered with success and stands elsewhere")
    digits = session.write("PUT", f"{session.kind}/{_digits(session)}", _with_digits(session))
    more = "" if digits.ok else f"; one of digits alone is refused with {digits.status}"
    return yes(f"an id with letters is taken ({reply.status}){more}")


def location_and_version(session: ProbeSession) -> ProbeResult:
    """Probes whether the response to a write gives the location and the version."""
    reply = session.create("answer")
    if not reply.ok:
        return unknown(f"nothing can be written: {reply.status}")
    missing = [name for name in ("Location", "ETag") if name not in reply.headers]
    body = "with" if reply.body and reply.body.get("id") else "without"
    if reply.version is None:
        return no(f"it does not say which version it is; {body} the resource")
    return yes(f"{reply.status} {body} the resource; {', '.join(missing) or 'nothing'} missing")


def same_again(session: ProbeSession) -> ProbeResult:
    """The same content once more."""
    first = session.create("again")
    if not first.ok or first.remote_reference is None:
        return unknown(f"nothing can be written: {first.status}")
    second = session.update(first.remote_reference, session.resource("again"))
    if not second.ok:
        return no(f"the same content again is refused with {second.status}")
    if second.version == first.version:
        return yes("the same content again makes no new version")
    return partly("the same content again makes a new version")


def if_match(session: ProbeSession) -> ProbeResult:
    """An update under a version that is not the newest any more must be refused."""
    first = session.create("if-match")
    if not first.ok or first.remote_reference is None:
        return unknown(f"nothing can be written: {first.status}")
    old = first.version
    second = session.update(
        first.remote_reference, session.resource("if-match", **_changed(session, "2")), If_Match=_tag(old)
    )
    if second.status in NO_UPDATES:
        return partly(
            f"it takes no updates at all ({second.status}): nothing is overwritten, and nothing corrected"
        )
    if not second.ok:
        return no(f"an update under the current version is refused with {second.status}")
    stale = session.update(
        first.remote_reference, session.resource("if-match", **_changed(session, "3")), If_Match=_tag(old)
    )
    if stale.status in STALE:
        return yes(f"an update under an old version is refused with {stale.status}")
    if stale.ok:
        return no(f"an update under an old version overwrites ({stale.status})")
    return unknown(f"an update under an old version is answered with {stale.status}")


def if_none_match(session: ProbeSession) -> ProbeResult:
    """`If-None-Match: *` asks that nothing be there yet."""
    first = session.create("if-none-match")
    if not first.ok or first.remote_reference is None:
        return unknown(f"nothing can be written: {first.status}")
    changed = session.resource("if-none-match", **_changed(session, "2"))
    again = session.update(first.remote_reference, changed, If_None_Match="*")
    if again.status in ALREADY_THERE:
        return yes(f"If-None-Match: * on what is there is refused with {again.status}")
    if again.ok:
        return no(f"If-None-Match: * on what is there overwrites ({again.status})")
    return unknown(f"it is answered with {again.status}")


def removal(session: ProbeSession) -> ProbeResult:
    """DELETE, and what a read says afterwards."""
    first = session.create("removal")
    if not first.ok or first.remote_reference is None:
        return unknown(f"nothing can be written: {first.status}")
    deleted = session.ask("DELETE", first.remote_reference)
    after = session.read(first.remote_reference).status
    if after in (404, 410):
        return yes(f"DELETE {deleted.status}, then GET {after}")
    return no(f"DELETE {deleted.status}, then GET {after}: it stays")


def _changed(session: ProbeSession, value: str) -> dict[str, str]:
    # A member that every type has, so that the content is another one.
    return {"language": {"2": "en", "3": "fr"}[value]}


def _tag(version: str | None) -> str:
    return f'W/"{version}"'


def _digits(session: ProbeSession) -> str:
    return str(int(session.token, 36))


def _with_digits(session: ProbeSession) -> dict[str, object]:
    return {**session.resource("digits"), "id": _digits(session)}
