"""Finds the destination's one active Patient with the person's identifier and birth date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.config.destinations import Destination
from fhir_pmp.ehr.exchange.reads import search_type
from fhir_pmp.ehr.exchange.rendering import identifier_query
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import ClassifiedResponse, HttpResponseClass
from fhir_pmp.identifiers import Identifier
from fhir_pmp.pathway.facts import Person

MOST_MATCHES = 20
"""An identifier that more people bear than this is no identifier."""


@dataclass(frozen=True, slots=True)
class PatientMatch:
    """The result of a Patient search: the one match, or the reason there is none.

    Only counts are stated, never what was found.
    """

    classified: ClassifiedResponse
    remote_reference: str | None = None
    reason: str = ""
    matches: int = 0
    other_birth_date: int = 0
    not_active: int = 0


def match_patient(client: EhrClient, destination: Destination, person: Person, now: datetime) -> PatientMatch:
    """Searches by each identifier system in the destination file. Raises what `EhrClient.ask` raises."""
    mine = [i for system in destination.identifier_systems for i in person.identifiers if i.system == system]
    found: dict[str, Mapping[str, Any]] = {}
    classified = ClassifiedResponse(HttpResponseClass.DONE)
    for identifier in mine:
        query = f"{identifier_query(identifier.system, identifier.value)}&_count={MOST_MATCHES}"
        classified, patients = search_type(client, "Patient", query, now)
        if classified.response_class is not HttpResponseClass.DONE:
            return PatientMatch(classified)
        # A server may match more loosely than we asked: what it gives is looked at again.
        found |= {str(p["id"]): p for p in patients if has_identifier(p, identifier)}
    return _match_from(classified, person, list(found.values()), bool(mine))


def _match_from(
    classified: ClassifiedResponse, person: Person, found: Sequence[Mapping[str, Any]], asked: bool
) -> PatientMatch:
    born = [p for p in found if p.get("birthDate") == person.birth_date.isoformat()]
    active = [p for p in born if is_active(p)]
    counts = {
        "matches": len(active),
        "other_birth_date": len(found) - len(born),
        "not_active": len(born) - len(active),
    }
    if len(active) == 1:
        return PatientMatch(classified, f"Patient/{active[0]['id']}", "one active match", **counts)
    if not asked:
        reason = "no identifier of a system that the destination knows people by"
    elif active:
        reason = "several active patients match"
    elif born:
        reason = "the patient who matches is not active"
    elif found:
        reason = "the patient with this identifier has another birth date"
    else:
        reason = "no patient with this identifier"
    return PatientMatch(classified, None, reason, **counts)


def has_identifier(patient: Mapping[str, Any], wanted: Identifier) -> bool:
    """Whether a Patient bears this identifier."""
    identifiers = patient.get("identifier")
    return isinstance(identifiers, list) and any(
        isinstance(i, dict) and i.get("system") == wanted.system and i.get("value") == wanted.value
        for i in identifiers
    )


def is_active(patient: Mapping[str, Any]) -> bool:
    """Whether the hospital still uses this Patient: not inactive, and replaced by no other."""
    links = patient.get("link")
    replaced = isinstance(links, list) and any(
        isinstance(i, dict) and i.get("type") == "replaced-by" for i in links
    )
    return patient.get("active") is not False and not replaced
