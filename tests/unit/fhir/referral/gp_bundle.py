"""A GP's referral as a practice's system sends it, with everything a referral may carry."""

import copy
from typing import Any

PATIENT, REQUEST, TASK = "urn:uuid:1a", "urn:uuid:2b", "urn:uuid:3c"
DOCTOR, PRACTICE, ROLE, CONDITION = "urn:uuid:4d", "urn:uuid:5e", "urn:uuid:6f", "urn:uuid:70"


def entry(full_url: str | None, resource: dict[str, Any]) -> dict[str, Any]:
    """One entry of the transaction."""
    named = {} if full_url is None else {"fullUrl": full_url}
    return {**named, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


_BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        entry(
            PATIENT,
            {
                "resourceType": "Patient",
                "id": "p1",
                "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
                "identifier": [
                    {"system": "http://ns.electronichealth.net.au/id/medicare-number", "value": "2953000001"},
                    {"value": "without a system"},
                ],
                "name": [
                    {"use": "nickname", "given": ["Addie"]},
                    {"use": "official", "family": "Canary", "given": ["Ada", "May"]},
                ],
                "gender": "female",
                "birthDate": "1970-02-28",
                "generalPractitioner": [{"reference": ROLE}],
            },
        ),
        entry(
            REQUEST,
            {
                "resourceType": "ServiceRequest",
                "identifier": [{"system": "https://gp.example/requests", "value": "R1"}],
                "status": "active",
                "intent": "order",
                "subject": {"reference": PATIENT},
                "authoredOn": "2026-01-05T10:00:00+11:00",
                "requester": {"reference": ROLE},
                "reasonCode": [{"text": "Low back pain for 3 years"}, {"coding": [{"display": "Sleep"}]}],
                "reasonReference": [{"reference": CONDITION}],
            },
        ),
        entry(
            TASK,
            {
                "resourceType": "Task",
                "identifier": [{"system": "https://gp.example/tasks", "value": "T1"}],
                "status": "requested",
                "intent": "order",
                "focus": {"reference": REQUEST},
                "for": {"reference": PATIENT},
                "owner": {"reference": "https://pmp.example/fhir/Organization/x"},
            },
        ),
        entry(
            DOCTOR,
            {
                "resourceType": "Practitioner",
                "identifier": [{"system": "https://provider.example", "value": "D1"}],
                "name": [{"prefix": ["Dr"], "given": ["Grace"], "family": "Example"}],
            },
        ),
        entry(PRACTICE, {"resourceType": "Organization", "name": "Harbour Street Practice"}),
        entry(
            ROLE,
            {
                "resourceType": "PractitionerRole",
                "practitioner": {"reference": DOCTOR},
                "organization": {"reference": PRACTICE},
            },
        ),
        entry(
            CONDITION,
            {
                "resourceType": "Condition",
                "subject": {"reference": PATIENT},
                "code": {"text": "Chronic low back pain"},
                "contained": [{"resourceType": "Practitioner", "id": "c1"}],
                "asserter": {"reference": "#c1"},
            },
        ),
    ],
}


def gp_bundle() -> dict[str, Any]:
    """A copy that a test may change."""
    return copy.deepcopy(_BUNDLE)


def resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first resource of a type in a Bundle, to be changed in place."""
    found: dict[str, Any] = next(
        one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind
    )
    return found
