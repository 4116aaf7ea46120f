"""Probes what a server keeps of a resource: digits, offsets, labels and invalid content."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_pmp.ehr.capability.probing.probe_results import ProbeResult, no, partly, unknown, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession

DIGITS = Decimal("7.10")
MOMENT = "2020-02-03T10:11:12+11:00"
SYSTEM = "urn:fhir-pmp:probe-tag"


def decimals(session: ProbeSession) -> ProbeResult:
    """7.10 is not 7.1: the digits say how exactly it was measured."""
    kept = _kept(session, "decimals", _decimal(session.kind))
    found = _first_decimal(kept) if kept is not None else None
    if kept is None:
        return unknown("it could not be written or read")
    if isinstance(found, Decimal) and found.as_tuple() == DIGITS.as_tuple():
        return yes("7.10 stays 7.10")
    return no("7.10 is not there any more" if found is None else f"7.10 becomes {found}")


def dates(session: ProbeSession) -> ProbeResult:
    """A moment with its offset from UTC."""
    name = {
        "Observation": "effectiveDateTime",
        "DocumentReference": "date",
        "QuestionnaireResponse": "authored",
    }
    member = name.get(session.kind)
    if member is None:
        return unknown(f"{session.kind} has no moment")
    kept = _kept(session, "dates", {member: MOMENT})
    if kept is None:
        return unknown("it could not be written or read")
    if kept.get(member) == MOMENT:
        return yes(f"{MOMENT} stays as it is")
    return no(f"{MOMENT} becomes {kept.get(member) or 'nothing'}")


def tags(session: ProbeSession) -> ProbeResult:
    """Labels of `meta`: does an update without one remove it?"""
    first = session.create("tags", meta=_meta("one"))
    if not first.ok or first.remote_reference is None:
        return unknown(f"nothing can be written: {first.status}")
    session.update(first.remote_reference, session.resource("tags", meta=_meta("two"), language="en"))
    meta = (session.read(first.remote_reference).body or {}).get("meta")
    labels = meta.get("tag", []) if isinstance(meta, Mapping) else []
    found = {label.get("code") for label in labels if label.get("system") == SYSTEM}
    if found == {"two"}:
        return yes("an update replaces them")
    if found == {"one", "two"}:
        return partly("an update adds to them and never removes one")
    return no("they are not kept")


def invalid_input(session: ProbeSession) -> ProbeResult:
    """Sends invalid FHIR: an unknown element, and a code outside a required value set."""
    odd = session.write("POST", session.kind, session.resource("odd", noSuchElement="x"))
    bad = session.write("POST", session.kind, session.resource("bad", status="no-such-status"))
    if not odd.ok and not bad.ok:
        return yes(f"an unknown element is refused ({odd.status}), an unknown status code too ({bad.status})")
    seen = []
    if odd.ok:
        kept = odd.remote_reference is not None and "noSuchElement" in (
            session.read(odd.remote_reference).body or {}
        )
        seen.append("an unknown element is " + ("kept" if kept else "accepted and dropped without a word"))
    seen.append("an unknown status code is " + ("accepted" if bad.ok else f"refused ({bad.status})"))
    return (no if bad.ok else partly)("; ".join(seen))


def _kept(session: ProbeSession, name: str, more: Mapping[str, Any]) -> dict[str, Any] | None:
    reply = session.create(name, **more)
    if not reply.ok or reply.remote_reference is None:
        return None
    return session.read(reply.remote_reference).body


def _decimal(kind: str) -> dict[str, Any]:
    quantity = {"value": DIGITS, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}
    if kind == "Observation":
        return {"valueQuantity": quantity}
    return {"extension": [{"url": "urn:fhir-pmp:probe-decimal", "valueDecimal": DIGITS}]}


def _first_decimal(kept: Mapping[str, Any]) -> object:
    if "valueQuantity" in kept:
        return kept["valueQuantity"].get("value")
    extensions = kept.get("extension", [])
    return next((e.get("valueDecimal") for e in extensions if isinstance(e, dict)), None)


def _meta(code: str) -> dict[str, Any]:
    return {"tag": [{"system": SYSTEM, "code": code}]}
