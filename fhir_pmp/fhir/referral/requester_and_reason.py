"""Reads the requester and reason of a referral, as shown to people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.fhir.referral.referral_entries import ReferralEntry, positions_by_reference


@dataclass(frozen=True, slots=True)
class RequesterNames:
    """The requester's entries and their names; None for those missing from the Bundle."""

    organization: ReferralEntry | None
    organization_name: str | None
    practitioner: ReferralEntry | None
    practitioner_name: str | None


def read_requester(
    request: ReferralEntry, task: ReferralEntry, entries: Sequence[ReferralEntry]
) -> RequesterNames:
    """Reads the requester of the ServiceRequest, else of the Task; PractitionerRoles are followed."""
    known, by_position = positions_by_reference(entries), {entry.position: entry for entry in entries}
    found: dict[str, ReferralEntry] = {}
    waiting = [request.resource.get("requester"), task.resource.get("requester")]
    for reference in waiting:  # grows during the loop
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        entry = by_position[known[text]] if isinstance(text, str) and text in known else None
        if entry is None or entry.type in found:
            continue
        found[entry.type] = entry
        if entry.type == "PractitionerRole":
            waiting += [entry.resource.get("practitioner"), entry.resource.get("organization")]
    organization, practitioner = found.get("Organization"), found.get("Practitioner")
    return RequesterNames(
        organization=organization,
        organization_name=organization.resource.get("name") if organization else None,
        practitioner=practitioner,
        practitioner_name=practitioner_name(practitioner.resource) if practitioner else None,
    )


def practitioner_name(practitioner: Mapping[str, Any]) -> str | None:
    """Returns a practitioner's name as one line; None if there is none."""
    for name in practitioner.get("name", []):
        if "text" in name:
            return str(name["text"])
        parts = [*name.get("prefix", []), *name.get("given", []), name.get("family")]
        written = " ".join(part for part in parts if part)
        if written:
            return written
    return None


def read_reason(request: Mapping[str, Any]) -> str | None:
    """Returns the reason of the referral: the texts of `reasonCode`, or None."""
    reasons = [_words(concept) for concept in request.get("reasonCode", [])]
    return "; ".join(words for words in reasons if words) or None


def _words(concept: Mapping[str, Any]) -> str | None:
    if "text" in concept:
        return str(concept["text"])
    displays = [coding["display"] for coding in concept.get("coding", []) if "display" in coding]
    return displays[0] if displays else None
