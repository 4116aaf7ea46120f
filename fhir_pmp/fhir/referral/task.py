"""Builds a referral's Task: the practice's Task with our status, reason and letters."""

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_pmp.fhir.elements.datatypes import identifier, reference
from fhir_pmp.fhir.referral.relay import relay
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource
from fhir_pmp.fhir.serialization.resource_comparison import is_same_content
from fhir_pmp.identifiers import ResourceId
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import TaskStatus
from fhir_pmp.pathway.facts import Referral

_ELEMENT_ORDER = (
    *("resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension"),
    *("modifierExtension", "identifier", "instantiatesCanonical", "instantiatesUri", "basedOn"),
    *("groupIdentifier", "partOf", "status", "statusReason", "businessStatus", "intent", "priority", "code"),
    *(
        "description",
        "focus",
        "for",
        "encounter",
        "executionPeriod",
        "authoredOn",
        "lastModified",
        "requester",
    ),
    *(
        "performerType",
        "owner",
        "location",
        "locationReference",
        "reasonCode",
        "reasonReference",
        "insurance",
    ),
    *("note", "relevantHistory", "restriction", "input", "output"),
)

BUSINESS_STATUSES = {
    TaskStatus.REQUESTED: "Service Request Created",
    TaskStatus.RECEIVED: "Service Request Created",
    TaskStatus.ACCEPTED: "Accepted",
    TaskStatus.REJECTED: "Declined",
    TaskStatus.CANCELLED: "Fulfillment Cancelled",
    TaskStatus.COMPLETED: "Fulfillment Completed",
}
"""BSeR's statuses, as text because its code system is not verified. None fits in-progress or failed."""


def build_task(
    clinic: ClinicalContext,
    referral: Referral,
    received: Mapping[str, Any],
    *,
    status: TaskStatus,
    reason: str | None = None,
    outputs: Sequence[ResourceId] = (),
    modified: str | None = None,
) -> RenderedResource:
    """Builds the Task as received, with our elements added or replaced.

    `received`: its references point to our ids. `reason`: free text why the Task was rejected or failed.
    `outputs`: the DocumentReferences of signed letters, oldest first. `modified`: a FHIR dateTime; without it the
    Task has none, because the received one is no longer true.
    """
    task: Resource = {name: value for name, value in received.items() if name not in _OWN_ELEMENTS}
    task["status"] = status.value
    task["identifier"] = _identifiers(clinic, referral, received)
    task.setdefault("owner", reference("Organization", clinic.provider_id()))
    if reason is not None:
        task["statusReason"] = {"text": reason}
    if status in BUSINESS_STATUSES:
        task["businessStatus"] = {"text": BUSINESS_STATUSES[status]}
    if modified is not None:
        task["lastModified"] = modified
    letters = [_output(document) for document in outputs]
    if letters:
        task["output"] = letters
    ordered = {name: task[name] for name in sorted(task, key=_element_position)}
    person, episode = referral.person, referral.episode
    return relay(ordered, referral.task_id, person=person, episode=episode, owner=referral.client)


def only_status_differs(current: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a Task sent by PUT changes only the status, ignoring meta and text."""
    ignored_members = ("meta", "text", "status")
    return is_same_content(current, sent, ignored_members) and current.get("status") != sent.get("status")


_OWN_ELEMENTS = frozenset({"status", "statusReason", "businessStatus", "lastModified", "output"})


def _element_position(name: str) -> int:
    bare = name.removeprefix("_")
    return _ELEMENT_ORDER.index(bare) if bare in _ELEMENT_ORDER else len(_ELEMENT_ORDER)


def _identifiers(
    clinic: ClinicalContext, referral: Referral, received: Mapping[str, Any]
) -> list[dict[str, Any]]:
    number = identifier(clinic.ids.own_identifier(IdKind.REFERRAL, referral.number))
    written = [one for one in received.get("identifier", []) if one.get("system") != number["system"]]
    return [*written, number]


def _output(document: ResourceId) -> dict[str, Any]:
    return {"type": {"text": "Letter"}, "valueReference": reference("DocumentReference", document)}
