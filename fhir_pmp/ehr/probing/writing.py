"""Probes of single writes: ids of ours, versions, preconditions, removal."""

from fhir_pmp.ehr.probing.findings import Found, no, partly, unknown, yes
from fhir_pmp.ehr.probing.ground import Ground

STALE = frozenset({409, 412})
NO_UPDATES = frozenset({405, 501})
ALREADY_THERE = frozenset({304, 409, 412})


def client_ids(ground: Ground) -> Found:
    """PUT under an id that nobody has."""
    reply = ground.put("client-id")
    if not reply.ok:
        return no(f"PUT under a new id of ours is refused with {reply.status}")
    wanted = f"{ground.kind}/{ground.id('client-id')}"
    if reply.place != wanted or ground.read(wanted).status != 200:
        return no("PUT under a new id of ours is answered with success and stands elsewhere")
    digits = ground.write("PUT", f"{ground.kind}/{_digits(ground)}", _with_digits(ground))
    more = "" if digits.ok else f"; one of digits alone is refused with {digits.status}"
    return yes(f"an id with letters is taken ({reply.status}){more}")


def location_and_version(ground: Ground) -> Found:
    """What an answer to a write says of where it stands, and of which version it is."""
    reply = ground.make("answer")
    if not reply.ok:
        return unknown(f"nothing can be written: {reply.status}")
    missing = [name for name in ("Location", "ETag") if name not in reply.headers]
    body = "with" if reply.body and reply.body.get("id") else "without"
    if reply.version is None:
        return no(f"it does not say which version it is; {body} the resource")
    return yes(f"{reply.status} {body} the resource; {', '.join(missing) or 'nothing'} missing")


def same_again(ground: Ground) -> Found:
    """The same content once more."""
    first = ground.make("again")
    if not first.ok or first.place is None:
        return unknown(f"nothing can be written: {first.status}")
    second = ground.update(first.place, ground.resource("again"))
    if not second.ok:
        return no(f"the same content again is refused with {second.status}")
    if second.version == first.version:
        return yes("the same content again makes no new version")
    return partly("the same content again makes a new version")


def if_match(ground: Ground) -> Found:
    """An update under a version that is not the newest any more must be refused."""
    first = ground.make("if-match")
    if not first.ok or first.place is None:
        return unknown(f"nothing can be written: {first.status}")
    old = first.version
    second = ground.update(
        first.place, ground.resource("if-match", **_changed(ground, "2")), If_Match=_tag(old)
    )
    if second.status in NO_UPDATES:
        return partly(
            f"it takes no updates at all ({second.status}): nothing is overwritten, and nothing corrected"
        )
    if not second.ok:
        return no(f"an update under the current version is refused with {second.status}")
    stale = ground.update(
        first.place, ground.resource("if-match", **_changed(ground, "3")), If_Match=_tag(old)
    )
    if stale.status in STALE:
        return yes(f"an update under an old version is refused with {stale.status}")
    if stale.ok:
        return no(f"an update under an old version overwrites ({stale.status})")
    return unknown(f"an update under an old version is answered with {stale.status}")


def if_none_match(ground: Ground) -> Found:
    """`If-None-Match: *` asks that nothing be there yet."""
    first = ground.make("if-none-match")
    if not first.ok or first.place is None:
        return unknown(f"nothing can be written: {first.status}")
    changed = ground.resource("if-none-match", **_changed(ground, "2"))
    again = ground.update(first.place, changed, If_None_Match="*")
    if again.status in ALREADY_THERE:
        return yes(f"If-None-Match: * on what is there is refused with {again.status}")
    if again.ok:
        return no(f"If-None-Match: * on what is there overwrites ({again.status})")
    return unknown(f"it is answered with {again.status}")


def removal(ground: Ground) -> Found:
    """DELETE, and what a read says afterwards."""
    first = ground.make("removal")
    if not first.ok or first.place is None:
        return unknown(f"nothing can be written: {first.status}")
    deleted = ground.ask("DELETE", first.place)
    after = ground.read(first.place).status
    if after in (404, 410):
        return yes(f"DELETE {deleted.status}, then GET {after}")
    return no(f"DELETE {deleted.status}, then GET {after}: it stays")


def _changed(ground: Ground, value: str) -> dict[str, str]:
    # A member that every type has, so that the content is another one.
    return {"language": {"2": "en", "3": "fr"}[value]}


def _tag(version: str | None) -> str:
    return f'W/"{version}"'


def _digits(ground: Ground) -> str:
    return str(int(ground.token, 36))


def _with_digits(ground: Ground) -> dict[str, object]:
    return {**ground.resource("digits"), "id": _digits(ground)}
