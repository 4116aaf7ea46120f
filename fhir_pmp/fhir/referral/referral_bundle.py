"""Reads a GP's referral: a transaction with one Patient, one ServiceRequest and one Task."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.fhir.referral.referral_entries import (
    ReferralEntry,
    positions_by_reference,
    read_entries,
    reference_faults,
)
from fhir_pmp.fhir.referral.relay import repoint_references
from fhir_pmp.fhir.referral.requester_and_reason import RequesterNames, read_reason, read_requester
from fhir_pmp.fhir.serialization.rendered_resource import Resource
from fhir_pmp.fhir.serialization.resource_comparison import fingerprint
from fhir_pmp.fhir.validation.resource_check import check_resource
from fhir_pmp.identifiers import Identifier, ResourceId
from fhir_pmp.pathway.facts import Sex


class NotAReferral(NotUnderstood):
    """The Bundle is valid FHIR but no referral that we accept. The practice corrects the named elements."""


class ModifierNotKnown(NotUnderstood):
    """The Bundle has a modifier that changes its meaning in an unknown way. A person has to read it."""


@dataclass(frozen=True, slots=True)
class ReferralRequest:
    """The content of a referral, and its entries as sent."""

    patient: ReferralEntry
    service_request: ReferralEntry
    task: ReferralEntry
    others: tuple[ReferralEntry, ...]
    service_request_identifier: Identifier
    task_identifier: Identifier
    patient_identifiers: tuple[Identifier, ...]
    given: str
    family: str
    birth_date: date
    sex: Sex
    authored_on: date | None
    reason: str | None
    requester: RequesterNames
    fingerprint: str  # of the clinical content: equal for a repeat with other fullUrls, ids, meta or text

    @property
    def entries(self) -> tuple[ReferralEntry, ...]:
        """All entries in the order of the Bundle."""
        return tuple(
            sorted(
                (self.patient, self.service_request, self.task, *self.others), key=lambda one: one.position
            )
        )

    def resources_under_own_ids(self, ids: Mapping[int, ResourceId]) -> dict[int, Resource]:
        """Returns each entry's resource by position, under our ids.

        Its references to other entries hold our ids too.
        """
        entries = self.entries
        types = {entry.position: entry.type for entry in entries}
        mapping = {text: f"{types[at]}/{ids[at]}" for text, at in positions_by_reference(entries).items()}
        return {
            one.position: {**repoint_references(one.resource, mapping), "id": ids[one.position]}
            for one in entries
        }


def read_referral_bundle(
    bundle: Mapping[str, Any], *, own_references: Collection[str] = ()
) -> ReferralRequest:
    """Reads and checks a referral Bundle.

    `own_references` are the "Type/id" of our resources that it may refer to, such as our Organization.

    Raises NotFhir, ModifierNotKnown or NotAReferral with every fault; faults never contain a value.
    """
    if bundle.get("resourceType") != "Bundle":
        raise NotAReferral("is not Bundle", field="resourceType")
    check_resource(bundle)
    modifiers = list(_modifiers(bundle, "Bundle"))
    if modifiers:
        raise ModifierNotKnown(faults=modifiers)
    entries, faults = read_entries(bundle)
    if bundle.get("type") != "transaction":
        faults.insert(0, Fault("Bundle.type", "is not transaction"))
    required_entries = {kind: _only(entries, kind, faults) for kind in ("Patient", "ServiceRequest", "Task")}
    faults += reference_faults(entries, own_references)
    patient, request, task = (
        required_entries["Patient"],
        required_entries["ServiceRequest"],
        required_entries["Task"],
    )
    if patient is None or request is None or task is None:
        raise NotAReferral(faults=faults)
    faults += [*_patient_faults(patient), *_request_faults(request, patient, entries)]
    faults += _task_faults(task, request, patient, entries)
    if faults:
        raise NotAReferral(faults=faults)
    return _build_request(patient, request, task, entries)


def _build_request(
    patient: ReferralEntry, request: ReferralEntry, task: ReferralEntry, entries: Sequence[ReferralEntry]
) -> ReferralRequest:
    name = _official_name(patient.resource)
    assert request.identifier is not None and task.identifier is not None  # checked before by _only
    authored = str(request.resource.get("authoredOn", ""))
    return ReferralRequest(
        patient=patient,
        service_request=request,
        task=task,
        others=tuple(one for one in entries if one not in (patient, request, task)),
        service_request_identifier=request.identifier,
        task_identifier=task.identifier,
        patient_identifiers=tuple(
            Identifier(one["system"], one["value"])
            for one in patient.resource["identifier"]
            if "system" in one and "value" in one
        ),
        given=" ".join(part for part in name["given"] if part is not None),
        family=name["family"],
        birth_date=date.fromisoformat(patient.resource["birthDate"]),
        sex=Sex(patient.resource.get("gender", Sex.UNKNOWN)),
        authored_on=date.fromisoformat(authored[:10]) if len(authored) >= len("2026-03-01") else None,
        reason=read_reason(request.resource),
        requester=read_requester(request, task, entries),
        fingerprint=_fingerprint(entries),
    )


def _only(entries: Sequence[ReferralEntry], kind: str, faults: list[Fault]) -> ReferralEntry | None:
    found = [entry for entry in entries if entry.type == kind]
    if len(found) != 1:
        faults.append(
            Fault("Bundle.entry", f"holds {len(found)} of {kind}, and a referral holds exactly one")
        )
        return None
    if found[0].identifier is None:
        faults.append(Fault(f"{found[0].path}.identifier", "is missing, or has no system and value"))
    return found[0]


def _patient_faults(patient: ReferralEntry) -> Iterator[Fault]:
    name = _official_name(patient.resource)
    if not name.get("family") or not any(name.get("given", ())):
        yield Fault(f"{patient.path}.name", "has no family and given name")
    if len(patient.resource.get("birthDate", "")) != len("1970-01-01"):
        yield Fault(f"{patient.path}.birthDate", "is missing, or is not a whole date")


def _request_faults(
    request: ReferralEntry, patient: ReferralEntry, entries: Sequence[ReferralEntry]
) -> Iterator[Fault]:
    if request.resource["status"] != "active":
        yield Fault(f"{request.path}.status", "is not active")
    if not _refers_to(request.resource.get("subject"), patient, entries):
        yield Fault(f"{request.path}.subject", "is not the Bundle's Patient")


def _task_faults(
    task: ReferralEntry, request: ReferralEntry, patient: ReferralEntry, entries: Sequence[ReferralEntry]
) -> Iterator[Fault]:
    if task.resource["status"] != "requested":
        yield Fault(f"{task.path}.status", "is not requested")
    if not _refers_to(task.resource.get("focus"), request, entries):
        yield Fault(f"{task.path}.focus", "is not the Bundle's ServiceRequest")
    if "for" in task.resource and not _refers_to(task.resource["for"], patient, entries):
        yield Fault(f"{task.path}.for", "is not the Bundle's Patient")


def _refers_to(reference: object, entry: ReferralEntry, entries: Sequence[ReferralEntry]) -> bool:
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    return isinstance(text, str) and positions_by_reference(entries).get(text) == entry.position


def _official_name(patient: Mapping[str, Any]) -> Mapping[str, Any]:
    names = patient.get("name", [])
    named = [one for one in names if one.get("use") == "official"] or names
    return named[0] if named else {}


def _modifiers(value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in ("modifierExtension", "implicitRules"):
                yield Fault(f"{path}.{name}", "is not one that we know")
            else:
                yield from _modifiers(member, f"{path}.{name}")
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _modifiers(member, f"{path}[{at}]")


def _fingerprint(entries: Sequence[ReferralEntry]) -> str:
    # A repeat may have other fullUrls, ids and order, so entries are named by their keys.
    names = {entry.position: f"{entry.type} {entry.key}" for entry in entries}
    mapping = {text: names[at] for text, at in positions_by_reference(entries).items()}
    entry_fingerprints = sorted(
        f"{names[one.position]}={fingerprint(repoint_references(one.resource, mapping))}" for one in entries
    )
    return hashlib.sha256("\n".join(entry_fingerprints).encode()).hexdigest()
