"""The link between a person and a Patient of the destination: looked at again, lost, and made by a person's decision."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from fhir_pmp.ehr.client import EhrClient
from fhir_pmp.ehr.ledger import NOT_LINKED
from fhir_pmp.ehr.outcomes import Meaning, Verdict
from fhir_pmp.ehr.patients import bears, is_active
from fhir_pmp.ehr.reads import body_of
from fhir_pmp.ehr.writes import verdict_of
from fhir_pmp.errors import NotAllowed, TryLater
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.pathway.facts import Person
from fhir_pmp.store import Books, Store
from fhir_pmp.store.audit import AuditRow
from fhir_pmp.store.neighbours import DestinationLink

LINK_LOST = "patient_link_lost"
DECIDED = "decided"

_WHAT = (
    "The hospital's record that this person was linked to is not in use any more, or is somebody else's. Ask the "
    "hospital which record is this person's now, and link it."
)


class NotThisPatient(NotAllowed):
    """That Patient cannot be linked. The caller looks at it together with the hospital."""


@dataclass(frozen=True, slots=True)
class LinkedPatient:
    """A linked Patient as it stands now. `why_lost` None: it is in use."""

    verdict: Verdict
    why_lost: str | None = None
    patient: Mapping[str, Any] | None = None


def look_at(client: EhrClient, place: str, now: datetime) -> LinkedPatient:
    """Reads a Patient of the destination. Raises what `EhrClient.ask` raises."""
    answer = client.ask("GET", place, headers={"Cache-Control": "no-cache"})
    verdict = verdict_of(answer, now)
    if verdict.meaning in (Meaning.NOT_THERE, Meaning.GONE):
        return LinkedPatient(verdict, "it is not there any more")
    if verdict.meaning is not Meaning.DONE:
        return LinkedPatient(verdict)
    patient = body_of(answer)
    return LinkedPatient(verdict, why_not_in_use(patient), patient)


def look_at_linked(
    store: Store, client: EhrClient, destination: DestinationId, ours: str, now: datetime
) -> LinkedPatient:
    """Reads whom a person (`Patient/…`, ours) is linked to. Raises what `EhrClient.ask` raises, NotStored."""
    with store.read() as books:
        person = books.people.get(PersonId(ours.partition("/")[2]))
        link = books.destination_ids.find(destination, ours)
    if link is None:
        return LinkedPatient(Verdict(Meaning.NOT_THERE, None), "it is not there any more")
    looked = look_at(client, link.theirs, now)
    if looked.patient is None or looked.why_lost is not None:
        return looked
    return replace(looked, why_lost=why_another(looked.patient, person, link))


def why_not_in_use(patient: Mapping[str, Any]) -> str | None:
    """Why nothing more may be sent to this Patient; None where it is in use."""
    if patient.get("active") is False:
        return "it is not active"
    return None if is_active(patient) else "it was replaced by another"


def why_another(patient: Mapping[str, Any], person: Person, link: DestinationLink) -> str | None:
    """Why the Patient who stands where the link leads is another than was linked; None where it is the same.

    A server that was emptied gives its ids out again. What a person has decided, no identifier has to bear out.
    """
    if patient.get("birthDate") != person.birth_date.isoformat():
        return "it has another birth date"
    if link.how != DECIDED and not any(bears(patient, identifier) for identifier in person.identifiers):
        return "it bears another identifier"
    return None


def lose_link(
    books: Books, destination: DestinationId, link: DestinationLink, why: str, *, now: datetime
) -> None:
    """The link is kept as a former one; what is for this person waits until a person has decided."""
    person = PersonId(link.ours.partition("/")[2])
    books.destination_ids.retire(destination, link, why=why, now=now)
    books.work_items.open(
        LINK_LOST,
        about=about_link(destination, person),
        role="clinician",
        what=_WHAT,
        now=now,
        person=person,
        details={"destination": destination, "was": link.theirs, "reason": why},
    )
    _note(books, "sync", f"patient link lost at {destination}: {why}", [link.theirs], person, now)


def is_lost(books: Books, destination: DestinationId, person: PersonId) -> bool:
    """Whether a person still has to decide which Patient this is."""
    return books.work_items.find_open(LINK_LOST, about_link(destination, person)) is not None


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
    """Links a person to a Patient (`Patient/…`, there) by a person's decision; how many deliveries go on.

    What was sent for the person before is read and compared at the new link. Raises NotThisPatient, TryLater.
    """
    found = look_at(client, patient, now)
    with store.begin_beside() as books:
        known = books.people.get(person)
        if found.why_lost is not None:
            raise NotThisPatient(found.why_lost, field="patient")
        if found.patient is None:
            raise TryLater("the destination does not show this Patient now", field="patient")
        if found.patient.get("birthDate") != known.birth_date.isoformat():
            raise NotThisPatient(
                "has another birth date: have one of the two corrected first", field="patient"
            )
        ours, now_linked = f"Patient/{person}", f"Patient/{found.patient['id']}"
        before = books.destination_ids.find(destination, ours)
        if before is not None and before.theirs != now_linked:
            books.destination_ids.retire(destination, before, why="another was decided", now=now)
        books.destination_ids.link(destination, ours, now_linked, how=DECIDED, by=who, now=now)
        for kind in (LINK_LOST, NOT_LINKED):
            books.work_items.close_about(
                kind, about_link(destination, person), by=who, how="a Patient was decided", now=now
            )
        again = 0
        if before is None or before.theirs != now_linked:
            sent = books.standing.sent_references(destination, person)
            again = books.delivery_checks.doubt(destination, sent, now=now)
        goes_on = books.outbox.resume(destination, person, now=now)
        _note(books, who, f"patient linked at {destination}", [now_linked], person, now, "update")
    return again + goes_on


def about_link(destination: DestinationId, person: PersonId) -> str:
    """What a work item about a link is about."""
    return f"destination/{destination}/person/{person}"


def _note(
    books: Books,
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
    books.audit.append([row])
