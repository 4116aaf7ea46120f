"""What HAPI looks at before it stores a resource, and no more: it accepts much that is invalid."""

import re
from collections.abc import Iterator
from typing import Any

from tests.stub_ehr.refusals import Problem

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_DATE_TIME = re.compile(
    _DATE.pattern + r"(T([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?"
)
_DATES = frozenset(
    {
        "birthDate",
        "authored",
        "effectiveDateTime",
        "authoredOn",
        "issued",
        "date",
        "start",
        "end",
        "lastModified",
    }
)

CODES = {
    ("Patient", "gender"): "male female other unknown",
    ("Practitioner", "gender"): "male female other unknown",
    ("Observation", "status"): "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ("QuestionnaireResponse", "status"): "in-progress completed amended entered-in-error stopped",
    ("EpisodeOfCare", "status"): "planned waitlist active onhold finished cancelled entered-in-error",
    ("ServiceRequest", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("ServiceRequest", "intent"): "proposal plan directive order original-order reflex-order filler-order "
    "instance-order option",
    ("Task", "status"): "draft requested received accepted rejected ready cancelled in-progress on-hold failed "
    "completed entered-in-error",
    ("Task", "intent"): "unknown proposal plan order original-order reflex-order filler-order instance-order option",
    ("Flag", "status"): "active inactive entered-in-error",
    ("DocumentReference", "status"): "current superseded entered-in-error",
}  # fmt: skip
_CODES = {where: frozenset(codes.split()) for where, codes in CODES.items()}

# HAPI looks for the target of a reference only where a search parameter reads it.
REFERENCES = {
    "Patient": "generalPractitioner managingOrganization",
    "PractitionerRole": "practitioner organization location",
    "Observation": "subject performer derivedFrom hasMember encounter focus basedOn partOf specimen device",
    "QuestionnaireResponse": "subject author source encounter basedOn partOf",
    "EpisodeOfCare": "patient managingOrganization careManager referralRequest",
    "ServiceRequest": "subject requester performer encounter basedOn replaces specimen",
    "Task": "for focus owner requester encounter basedOn partOf",
    "Flag": "subject author encounter",
    "DocumentReference": "subject author authenticator custodian",
    "Condition": "subject encounter asserter",
}
_REFERENCES = {kind: frozenset(names.split()) for kind, names in REFERENCES.items()}


def check_id(kind: str, wanted: str) -> None:
    """A client may choose an id of at most 64 characters with something other than digits in it."""
    if not ID.fullmatch(wanted):
        raise Problem(400, f"HAPI-0521: {kind}/… is not a valid id")
    if wanted.isdigit():
        raise Problem(400, "HAPI-0960: Can not create resource with ID: clients may only assign IDs which contain at least one non-numeric character")  # fmt: skip


def check_content(resource: dict[str, Any]) -> None:
    """Codes of required value sets and the form of dates; nothing else is looked at."""
    kind = resource["resourceType"]
    for (type_, name), codes in _CODES.items():
        if type_ == kind and isinstance(resource.get(name), str) and resource[name] not in codes:
            raise Problem(400, f"HAPI-1821: [element=\"{name}\"] Invalid attribute value: Unknown code in required value set")  # fmt: skip
    for name, text in _dates(resource):
        pattern = _DATE if name == "birthDate" else _DATE_TIME
        if not pattern.fullmatch(text):
            raise Problem(
                400, f'HAPI-1821: [element="{name}"] Invalid attribute value: Invalid date/time format'
            )


def _dates(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for member in value:
            yield from _dates(member)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name in _DATES and isinstance(member, str):
                yield name, member
            elif name not in ("contained", "resource"):
                yield from _dates(member)


def checked_references(resource: dict[str, Any]) -> Iterator[str]:
    """The local references (`Type/id`) whose targets must exist."""
    for name in _REFERENCES.get(resource["resourceType"], frozenset()):
        value = resource.get(name)
        for member in value if isinstance(value, list) else [value]:
            if isinstance(member, dict) and isinstance(member.get("reference"), str):
                reference = member["reference"]
                if re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}", reference):
                    yield reference
