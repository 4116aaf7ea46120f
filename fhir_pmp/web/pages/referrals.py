"""Serves a referral as it was received, with all its resources and its state."""

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_pmp.identifiers import ReferralId
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent, moves_from
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.publishing.episode_resources import read_published
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.letters import LetterState
from fhir_pmp.store.versions.read_scope import Reader
from fhir_pmp.web.access.audit_trail import note_persons, note_resources
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.attachments import Attachment, list_attachments
from fhir_pmp.web.pages.blueprint import pages, staff_may_read
from fhir_pmp.web.pages.fhir_outline import OutlineLine, build_outline, type_name
from fhir_pmp.web.pages.page_layout import render_page

_FIRST = ("ServiceRequest",)
_LAST = ("Patient", "PractitionerRole", "Practitioner", "Organization", "Task")


@dataclass(frozen=True, slots=True)
class ReferralEntry:
    """One entry of the referral's Bundle."""

    position: int
    name: str
    lines: list[OutlineLine]
    attachments: list[Attachment]
    is_open: bool  # shown expanded: the clinical content; people, organisations and the Task are collapsed
    reference: str  # the version shown, for the audit


@pages.get("/referrals/<referral_id>")
@staff_may_read
def referral(referral_id: str) -> str:
    """Shows the referral with its entries, and the forms that accept or decline it."""
    with web_context().store.read() as uow:
        found = uow.referrals.get(ReferralId(referral_id))
        person = uow.people.get(found.person)
        episode = uow.episodes.get(found.episode)
        sender = uow.clients.get(found.client)
        entries = list(_entries(uow, found))
        declines = uow.letters.of_episode(episode.id, LetterKind.DECLINE)
    note_persons([person.id])
    note_resources(entry.reference for entry in entries)
    listed = {move.event for move in moves_from(episode.state, Actor.CLINICIAN)}
    return render_page(
        "referral.html",
        title=f"Referral {found.number}",
        section="worklist",
        referral=found,
        person=person,
        episode=episode,
        sender=sender,
        entries=entries,
        decline=next((one for one in declines if one.state is LetterState.DRAFT), None),
        may_accept=EpisodeEvent.ACCEPT in listed,
    )


def _entries(uow: UnitOfWork, referral: Referral) -> Iterator[ReferralEntry]:
    """Yields the entries: the ServiceRequest first, people, organisations and the Task last."""
    kept = sorted(
        uow.referrals.entries(referral.id), key=lambda entry: (_sort_rank(entry.type), entry.position)
    )
    published = uow.published.find_many(Reader.internal(), [f"{entry.type}/{entry.id}" for entry in kept])
    for entry in kept:
        version = published.get(f"{entry.type}/{entry.id}")
        if version is None:
            continue
        resource = read_published(version.content)
        yield ReferralEntry(
            position=entry.position,
            name=type_name(entry.type),
            lines=build_outline(resource),
            attachments=list_attachments(resource),
            is_open=entry.type not in _LAST,
            reference=version.reference,
        )


def _sort_rank(kind: str) -> int:
    if kind in _FIRST:
        return 0
    return 2 + _LAST.index(kind) if kind in _LAST else 1
