"""Which Patient of the destination somebody is: by exact identifier with equal birth date, one active match or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.destinations import Destination
from fhir_pmp.ehr.outcomes import Meaning, Verdict
from fhir_pmp.ehr.reads import find_all
from fhir_pmp.ehr.rendering import identifier_query
from fhir_pmp.identifiers import Identifier
from fhir_pmp.pathway.facts import Person

MOST_MATCHES = 20
"""An identifier that more people bear than this is no identifier."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a search came to: the one place, or why there is none. Only counts are told, never what was found."""

    verdict: Verdict
    place: str | None = None
    reason: str = ""
    matches: int = 0
    other_birth_date: int = 0
    not_active: int = 0


def look_for_patient(client: EhrClient, destination: Destination, person: Person, now: datetime) -> Looked:
    """Searches by each identifier system that the destination file names. Raises what `EhrClient.ask` raises."""
    mine = [i for system in destination.identifier_systems for i in person.identifiers if i.system == system]
    found: dict[str, Mapping[str, Any]] = {}
    verdict = Verdict(Meaning.DONE)
    for identifier in mine:
        query = f"{identifier_query(identifier.system, identifier.value)}&_count={MOST_MATCHES}"
        verdict, patients = find_all(client, "Patient", query, now)
        if verdict.meaning is not Meaning.DONE:
            return Looked(verdict)
        # A server may match more loosely than we asked: what it gives is looked at again.
        found |= {str(p["id"]): p for p in patients if bears(p, identifier)}
    return _judged(verdict, person, list(found.values()), bool(mine))


def _judged(verdict: Verdict, person: Person, found: Sequence[Mapping[str, Any]], asked: bool) -> Looked:
    born = [p for p in found if p.get("birthDate") == person.birth_date.isoformat()]
    active = [p for p in born if is_active(p)]
    counts = {
        "matches": len(active),
        "other_birth_date": len(found) - len(born),
        "not_active": len(born) - len(active),
    }
    if len(active) == 1:
        return Looked(verdict, f"Patient/{active[0]['id']}", "one active match", **counts)
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
    return Looked(verdict, None, reason, **counts)


def bears(patient: Mapping[str, Any], wanted: Identifier) -> bool:
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
