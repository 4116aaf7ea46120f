"""Builds a GP's referral as practice software sends it: one FHIR R4 transaction Bundle."""

from base64 import b64encode
from datetime import date
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from demo.people.identity import MEDICARE_SYSTEM
from demo.people.person import Person, Practice
from demo.people.practices import PRACTICE_SYSTEM, PROVIDER_SYSTEM
from demo.people.referral_pdf import one_page_pdf

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
_WITH_LETTER = 0.4
_REASONS = (
    "Chronic low back pain for four years, limiting work and sleep",
    "Persistent neck and shoulder pain after a fall, avoiding activity",
    "Fibromyalgia with low mood, wishes to learn self-management",
    "Knee osteoarthritis pain, not a candidate for surgery at present",
    "Chronic pelvic pain, investigations complete",
)
_NOTES = (
    "Investigations are complete, no red flags found. Willing to take part in an online programme.",
    "Physiotherapy and a trial of amitriptyline gave little relief. Agrees to this referral and to sharing information.",
    "Sleeps poorly. Has support at home. Please advise on activity pacing.",
)
_MEDICINES = (
    ("Paracetamol 500 mg tablets", "Two tablets up to four times a day"),
    ("Naproxen 250 mg tablets", "One tablet twice a day with food"),
    ("Duloxetine 30 mg capsules", "One capsule in the morning"),
    ("Pregabalin 75 mg capsules", "One capsule twice a day"),
)


def gp_bundle(person: Person, practice: Practice, *, today: date) -> Resource:
    """Returns the referral of `person` by `practice`; the same arguments give the same Bundle.

    Raises ValueError if the referral would be dated after `today`.
    """
    if person.referred_on > today:
        raise ValueError("referred_on lies after today")
    return _Referral(person, practice).bundle()


class _Referral:
    """Builds the resources of one referral, which refer to each other by their fullUrl."""

    def __init__(self, person: Person, practice: Practice) -> None:
        self._person, self._practice = person, practice
        by_practice = person.practitioner in practice.practitioners
        self._practitioner = person.practitioner if by_practice else practice.practitioners[0]
        self._base = f"https://example.org/practice/{practice.identifier}"
        self._rng = Random(f"{practice.identifier}/{person.record_id}/referral")
        self._on = person.referred_on.isoformat()

    def bundle(self) -> Resource:
        resources = [
            self._patient(),
            self._practitioner_resource(),
            self._organization(),
            self._role(),
            self._condition(),
            self._medication(),
            self._service_request(),
            self._task(),
        ]
        if self._rng.random() < _WITH_LETTER:
            resources.append(self._letter())
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [self._entry(one) for one in resources],
        }

    def _entry(self, resource: Resource) -> Resource:
        kind = resource["resourceType"]
        return {
            "fullUrl": self._full_url(kind),
            "resource": resource,
            "request": {"method": "POST", "url": kind},
        }

    def _full_url(self, kind: str) -> str:
        return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{self._base}/{self._person.record_id}/{kind}')}"

    def _to(self, kind: str) -> Resource:
        return {"reference": self._full_url(kind)}

    def _number(self, kind: str) -> list[Resource]:
        """Returns the practice's own identifier of one of its records about this person."""
        return [{"system": f"{self._base}/{kind}", "value": self._person.record_id.replace("PMP-", "R-")}]

    def _patient(self) -> Resource:
        person = self._person
        identifiers = self._number("patient")
        if person.medicare_number is not None:
            identifiers.insert(0, {"system": MEDICARE_SYSTEM, "value": person.medicare_number})
        return {
            "resourceType": "Patient",
            "identifier": identifiers,
            "name": [{"use": "official", "family": person.family_name, "given": [person.given_name]}],
            "gender": person.sex,
            "birthDate": person.birth_date.isoformat(),
            "generalPractitioner": [self._to("PractitionerRole")],
        }

    def _practitioner_resource(self) -> Resource:
        practitioner = self._practitioner
        name = {"family": practitioner.family_name, "given": [practitioner.given_name], "prefix": ["Dr"]}
        return {
            "resourceType": "Practitioner",
            "identifier": [{"system": PROVIDER_SYSTEM, "value": practitioner.provider_id}],
            "name": [name],
        }

    def _organization(self) -> Resource:
        return {
            "resourceType": "Organization",
            "identifier": [{"system": PRACTICE_SYSTEM, "value": self._practice.identifier}],
            "name": self._practice.name,
        }

    def _role(self) -> Resource:
        value = f"{self._practitioner.provider_id}-{self._practice.identifier}"
        return {
            "resourceType": "PractitionerRole",
            "identifier": [{"system": f"{self._base}/role", "value": value}],
            "practitioner": self._to("Practitioner"),
            "organization": self._to("Organization"),
        }

    def _condition(self) -> Resource:
        return {
            "resourceType": "Condition",
            "identifier": self._number("condition"),
            "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "verificationStatus": _coded(
                "http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"
            ),
            "code": _coded(SNOMED, "82423001", "Chronic pain"),
            "subject": self._to("Patient"),
            "recordedDate": self._on,
        }

    def _medication(self) -> Resource:
        medicine, dosage = self._rng.choice(_MEDICINES)
        return {
            "resourceType": "MedicationStatement",
            "identifier": self._number("medicine"),
            "status": "active",
            "medicationCodeableConcept": {"text": medicine},
            "subject": self._to("Patient"),
            "dateAsserted": self._on,
            "dosage": [{"text": dosage}],
        }

    def _service_request(self) -> Resource:
        return {
            "resourceType": "ServiceRequest",
            "identifier": self._number("referral"),
            "status": "active",
            "intent": "order",
            "priority": "routine",
            "code": _coded(SNOMED, "306265007", "Referral to pain management specialist"),
            "subject": self._to("Patient"),
            "authoredOn": self._on,
            "requester": self._to("PractitionerRole"),
            "reasonCode": [{"text": self._rng.choice(_REASONS)}],
            "reasonReference": [self._to("Condition")],
            "note": [{"text": self._rng.choice(_NOTES)}],
        }

    def _task(self) -> Resource:
        return {
            "resourceType": "Task",
            "identifier": self._number("task"),
            "status": "requested",
            "intent": "order",
            "code": _coded("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"),
            "focus": self._to("ServiceRequest"),
            "for": self._to("Patient"),
            "authoredOn": self._on,
            "requester": self._to("PractitionerRole"),
        }

    def _letter(self) -> Resource:
        pdf = one_page_pdf(
            ["Referral letter (synthetic)", self._practice.name, self._practitioner.name, self._on]
        )
        attachment = {
            "contentType": "application/pdf",
            "data": b64encode(pdf).decode("ascii"),
            "size": len(pdf),
            "title": "Referral letter",
            "creation": self._on,
        }
        return {
            "resourceType": "DocumentReference",
            "identifier": self._number("document"),
            "status": "current",
            "type": _coded("http://loinc.org", "57133-1", "Referral note"),
            "subject": self._to("Patient"),
            "content": [{"attachment": attachment}],
        }


def _coded(system: str, code: str, text: str | None = None) -> Resource:
    concept: Resource = {"coding": [{"system": system, "code": code}]}
    if text is not None:
        concept["text"] = text
    return concept
