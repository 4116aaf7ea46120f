"""Simulates a GP practice's system: posts referrals, reads their Tasks and its letters."""

import json
from dataclasses import dataclass
from typing import Any

import requests

from demo.people import Person

FHIR_JSON = "application/fhir+json"
SECONDS = 60


@dataclass(frozen=True)
class SubmittedReferral:
    """The references and number that the practice gets for a posted referral."""

    task: str  # "Task/…"
    patient: str  # "Patient/…"
    number: str  # the programme's referral number


class PracticeSystem:
    """One practice with its own bearer token."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {token}", "Accept": FHIR_JSON})

    def refer(self, bundle: dict[str, Any]) -> SubmittedReferral:
        """Posts the referral; a repeated Bundle is answered with the same Task."""
        body = json.dumps(bundle).encode()
        answer = self._session.post(
            self._base, data=body, headers={"Content-Type": FHIR_JSON}, timeout=SECONDS
        )
        answer.raise_for_status()
        places = [entry["response"]["location"] for entry in answer.json()["entry"]]
        named = {place.split("/")[0]: "/".join(place.split("/")[:2]) for place in places}
        task = self.read(named["Task"])
        number = next(i["value"] for i in task["identifier"] if i["system"].endswith("/identifiers/referral"))
        return SubmittedReferral(named["Task"], named["Patient"], number)

    def read(self, reference: str) -> dict[str, Any]:
        """Reads one resource as this practice."""
        answer = self._session.get(f"{self._base}/{reference}", timeout=SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def status(self, reference: str) -> int:
        """Returns the HTTP status of reading a resource."""
        return self._session.get(f"{self._base}/{reference}", timeout=SECONDS).status_code

    def cancel(self, reference: str) -> None:
        """Cancels a referral by its Task."""
        answer = self._session.get(f"{self._base}/{reference}", timeout=SECONDS)
        task = {**answer.json(), "status": "cancelled"}
        if answer.json()["status"] == "cancelled":
            return
        headers = {"Content-Type": FHIR_JSON, "If-Match": answer.headers["ETag"]}
        put = self._session.put(
            f"{self._base}/{reference}", data=json.dumps(task), headers=headers, timeout=SECONDS
        )
        put.raise_for_status()


class PracticeSystems:
    """The practices that have a token, by identifier."""

    def __init__(self, base: str, tokens: dict[str, str]) -> None:
        self._systems = {identifier: PracticeSystem(base, token) for identifier, token in tokens.items()}

    def for_person(self, person: Person) -> PracticeSystem:
        """Returns the practice that cares for the person."""
        return self._systems[person.practice.identifier]

    def other_practice(self, person: Person) -> PracticeSystem:
        """Returns a practice unrelated to the person."""
        return next(
            system for identifier, system in self._systems.items() if identifier != person.practice.identifier
        )
