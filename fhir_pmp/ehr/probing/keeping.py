"""Probes of what a server keeps of what it is sent: digits, offsets, labels, and what is invalid."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_pmp.ehr.probing.findings import Found, no, partly, unknown, yes
from fhir_pmp.ehr.probing.ground import Ground

DIGITS = Decimal("7.10")
MOMENT = "2020-02-03T10:11:12+11:00"
SYSTEM = "urn:fhir-pmp:probe-tag"


def decimals(ground: Ground) -> Found:
    """7.10 is not 7.1: the digits say how exactly it was measured."""
    kept = _kept(ground, "decimals", _decimal(ground.kind))
    found = _first_decimal(kept) if kept is not None else None
    if kept is None:
        return unknown("it could not be written or read")
    if isinstance(found, Decimal) and found.as_tuple() == DIGITS.as_tuple():
        return yes("7.10 stays 7.10")
    return no("7.10 is not there any more" if found is None else f"7.10 becomes {found}")


def dates(ground: Ground) -> Found:
    """A moment with its offset from UTC."""
    name = {
        "Observation": "effectiveDateTime",
        "DocumentReference": "date",
        "QuestionnaireResponse": "authored",
    }
    member = name.get(ground.kind)
    if member is None:
        return unknown(f"{ground.kind} has no moment")
    kept = _kept(ground, "dates", {member: MOMENT})
    if kept is None:
        return unknown("it could not be written or read")
    if kept.get(member) == MOMENT:
        return yes(f"{MOMENT} stays as it is")
    return no(f"{MOMENT} becomes {kept.get(member) or 'nothing'}")


def tags(ground: Ground) -> Found:
    """Labels of `meta`: does an update without one remove it?"""
    first = ground.make("tags", meta=_meta("one"))
    if not first.ok or first.place is None:
        return unknown(f"nothing can be written: {first.status}")
    ground.update(first.place, ground.resource("tags", meta=_meta("two"), language="en"))
    meta = (ground.read(first.place).body or {}).get("meta")
    labels = meta.get("tag", []) if isinstance(meta, Mapping) else []
    found = {label.get("code") for label in labels if label.get("system") == SYSTEM}
    if found == {"two"}:
        return yes("an update replaces them")
    if found == {"one", "two"}:
        return partly("an update adds to them and never removes one")
    return no("they are not kept")


def invalid_input(ground: Ground) -> Found:
    """What is not FHIR: an element that nobody knows, and a code outside a required value set."""
    odd = ground.write("POST", ground.kind, ground.resource("odd", noSuchElement="x"))
    bad = ground.write("POST", ground.kind, ground.resource("bad", status="no-such-status"))
    if not odd.ok and not bad.ok:
        return yes(f"an unknown element is refused ({odd.status}), an unknown status code too ({bad.status})")
    seen = []
    if odd.ok:
        kept = odd.place is not None and "noSuchElement" in (ground.read(odd.place).body or {})
        seen.append("an unknown element is " + ("kept" if kept else "accepted and dropped without a word"))
    seen.append("an unknown status code is " + ("accepted" if bad.ok else f"refused ({bad.status})"))
    return (no if bad.ok else partly)("; ".join(seen))


def _kept(ground: Ground, name: str, more: Mapping[str, Any]) -> dict[str, Any] | None:
    reply = ground.make(name, **more)
    if not reply.ok or reply.place is None:
        return None
    return ground.read(reply.place).body


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
