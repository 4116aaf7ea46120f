"""Checks, retires and decides the link between a person and a destination's Patient."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from fhir_pmp.ehr.config.work_item_kinds import LINK_LOST, NOT_LINKED
from fhir_pmp.ehr.exchange.reads import body_of
from fhir_pmp.ehr.exchange.writes import classify_response
from fhir_pmp.ehr.identity.patient_match import has_identifier, is_active
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import ClassifiedResponse, HttpResponseClass
from fhir_pmp.errors import NotAllowed, TryLater
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.pathway.facts import Person
from fhir_pmp.store import Store, UnitOfWork
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.remote_state.remote_ids import RemoteId

DECIDED_BY_PERSON = "decided"

_WHAT = (
    "The hospital's record that this person was linked to is not in use any more, or is somebody else's. Ask the "
    "hospital which record is this person's now, and link it."
)


class NotThisPatient(NotAllowed):
    """That Patient cannot be linked. The caller looks at it together with the hospital."""


@dataclass(frozen=True, slots=True)
class LinkedPatient:
    """A linked Patient as it stands now. `why_lost` None: it is in use."""

    classified: ClassifiedResponse
    lost_reason: str | None = None
    patient: Mapping[str, Any] | None = None


def read_linked_patient(client: EhrClient, remote_reference: str, now: datetime) -> LinkedPatient:
    """Reads a Patient of the destination. Raises what `EhrClient.ask` raises."""
    answer = client.ask("GET", remote_reference, headers={"Cache-Control": "no-cache"})
    classified = classify_response(answer, now)
    if classified.response_class in (HttpResponseClass.NOT_FOUND, HttpResponseClass.GONE):
        return LinkedPatient(classified, "it is not there any more")
    if classified.response_class is not HttpResponseClass.DONE:
        return LinkedPatient(classified)
    patient = body_of(answer)
    return LinkedPatient(classified, reason_not_in_use(patient), patient)


def check_linked_patient(
    store: Store, client: EhrClient, destination: DestinationId, ours: str, now: datetime
) -> LinkedPatient:
    """Reads whom a person (`Patient/…`, ours) is linked to. Raises what `EhrClient.ask` raises, NotStored."""
    with store.read() as uow:
        person = uow.people.get(PersonId(ours.partition("/")[2]))
        link = uow.remote_ids.find(destination, ours)
    if link is None:
        return LinkedPatient(
            ClassifiedResponse(HttpResponseClass.NOT_FOUND, None), "it is not there any more"
        )
    match = read_linked_patient(client, link.remote_reference, now)
    if match.patient is None or match.lost_reason is not None:
        return match
    return replace(match, lost_reason=reason_other_patient(match.patient, person, link))


def reason_not_in_use(patient: Mapping[str, Any]) -> str | None:
    """Why nothing more may be sent to this Patient; None where it is in use."""
    if patient.get("active") is False:
        return "it is not active"
    return None if is_active(patient) else "it was replaced by another"


def reason_other_patient(patient: Mapping[str, Any], person: Person, link: RemoteId) -> str | None:
    """Returns why the Patient at the link is another one; None if the same.

    A server that was emptied assigns the same ids again. A link decided by a clinician needs no identifier to confirm it.
    """
    if patient.get("birthDate") != person.birth_date.isoformat():
        return "it has another birth date"
    if link.how != DECIDED_BY_PERSON and not any(
        has_identifier(patient, identifier) for identifier in person.identifiers
    ):
        return "it bears another identifier"
    return None


def retire_link(
    uow: UnitOfWork, destination: DestinationId, link: RemoteId, why: str, *, now: datetime
) -> None:
    """Stores the link as a former one; deliveries about this person wait for a decision."""
    person = PersonId(link.local_reference.partition("/")[2])
    uow.remote_ids.retire(destination, link, why=why, now=now)
    uow.work_items.open(
        LINK_LOST,
        about=about_link(destination, person),
        role="clinician",
        what=_WHAT,
        now=now,
        person=person,
        details={"destination": destination, "was": link.remote_reference, "reason": why},
    )
    _append_audit(
        uow, "sync", f"patient link lost at {destination}: {why}", [link.remote_reference], person, now
    )


def is_link_lost(uow: UnitOfWork, destination: DestinationId, person: PersonId) -> bool:
    """Whether a person still has to decide which Patient this is."""
    return uow.work_items.find_open(LINK_LOST, about_link(destination, person)) is not None


def decide_link(
    store: Store,
    client: EhrClient,
    destination: DestinationId,
    person: PersonId,
    patient: str,
    *,
    who: str,
    now: datetime,
) -> int:
    """Links a person to a Patient (the EHR's `Patient/…`) by a human decision.

    Returns how many deliveries resume. Earlier deliveries are read and compared at the new link. Raises NotThisPatient,
    TryLater.
    """
    found = read_linked_patient(client, patient, now)
    with store.begin_without_publishing() as uow:
        known = uow.people.get(person)
        if found.lost_reason is not None:
            raise NotThisPatient(found.lost_reason, field="patient")
        if found.patient is None:
            raise TryLater("the destination does not show this Patient now", field="patient")
        if found.patient.get("birthDate") != known.birth_date.isoformat():
            raise NotThisPatient(
                "has another birth date: have one of the two corrected first", field="patient"
            )
        ours, now_linked = f"Patient/{person}", f"Patient/{found.patient['id']}"
        before = uow.remote_ids.find(destination, ours)
        if before is not None and before.remote_reference != now_linked:
            uow.remote_ids.retire(destination, before, why="another was decided", now=now)
        uow.remote_ids.link(destination, ours, now_linked, how=DECIDED_BY_PERSON, by=who, now=now)
        for kind in (LINK_LOST, NOT_LINKED):
            uow.work_items.close_about(
                kind, about_link(destination, person), by=who, how="a Patient was decided", now=now
            )
        again = 0
        if before is None or before.remote_reference != now_linked:
            sent = uow.reconciliation.sent_references(destination, person)
            again = uow.delivery_checks.mark_unverified(destination, sent, now=now)
        goes_on = uow.outbox.resume(destination, person, now=now)
        _append_audit(uow, who, f"patient linked at {destination}", [now_linked], person, now, "update")
    return again + goes_on


def about_link(destination: DestinationId, person: PersonId) -> str:
    """What a work item about a link is about."""
    return f"destination/{destination}/person/{person}"


def _append_audit(
    uow: UnitOfWork,
    who: str,
    route: str,
    resources: list[str],
    person: PersonId,
    now: datetime,
    action: str = "update",
) -> None:
    row = AuditRow(
        at=now, who=who, route=route, action=action, outcome="done", request_id=uuid4().hex,
        resources=tuple(resources), persons=(person,),
    )  # fmt: skip
    uow.audit.append([row])
