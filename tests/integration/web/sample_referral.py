"""A small referral as a practice sends it: three resources that must be there, and one that may."""

import hashlib
from typing import Any


def referral_bundle(
    name: str, *, family: str = "Example", reason: str = "Long-standing back pain"
) -> dict[str, Any]:
    """The transaction Bundle of one person; `name` tells people apart and stands in every identifier."""
    entries: dict[str, dict[str, Any]] = {
        "Patient": {
            "identifier": [{"system": "urn:medicare", "value": f"m-{name}"}],
            "name": [{"family": family, "given": ["Ann"]}],
            "gender": "female",
            "birthDate": "1970-01-02",
        },
        "ServiceRequest": {
            "identifier": [{"system": "urn:requests", "value": f"r-{name}"}],
            "status": "active",
            "intent": "order",
            "subject": {"reference": "urn:uuid:Patient"},
            "authoredOn": "2026-03-01",
            "reasonCode": [{"text": reason}],
        },
        "Task": {
            "identifier": [{"system": "urn:tasks", "value": f"t-{name}"}],
            "status": "requested",
            "intent": "order",
            "focus": {"reference": "urn:uuid:ServiceRequest"},
            "for": {"reference": "urn:uuid:Patient"},
            "authoredOn": "2026-03-01",
        },
        "Condition": {
            "identifier": [{"system": "urn:conditions", "value": f"c-{name}"}],
            "code": {"text": f"Chronic pain of {family}"},
            "subject": {"reference": "urn:uuid:Patient"},
        },
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{_uuid(name, kind)}",
                "resource": _repoint({"resourceType": kind, **members}, name),
                "request": {"method": "POST", "url": kind},
            }
            for kind, members in entries.items()
        ],
    }


def _uuid(name: str, kind: str) -> str:
    digits = hashlib.sha256(f"{name} {kind}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _repoint(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _repoint(member, name) for key, member in value.items()}
    if isinstance(value, list):
        return [_repoint(member, name) for member in value]
    if isinstance(value, str) and value.startswith("urn:uuid:"):
        return f"urn:uuid:{_uuid(name, value.removeprefix('urn:uuid:'))}"
    return value
