"""A referral as it was received, with everything that came with it, and where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_pmp.identifiers import ReferralId
from fhir_pmp.pathway.episodes import By, Event, moves_from
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.publishing.care import read_published
from fhir_pmp.store import Books
from fhir_pmp.store.letters import LetterKind, LetterState
from fhir_pmp.store.readers import Reader
from fhir_pmp.web.access.auditing import note_persons, note_resources
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.attachments import Attachment, attachments_of
from fhir_pmp.web.pages.blueprint import pages, reads
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.outline import Said, outline, type_name

_FIRST = ("ServiceRequest",)
_LAST = ("Patient", "PractitionerRole", "Practitioner", "Organization", "Task")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the referral's Bundle."""

    position: int
    name: str
    lines: list[Said]
    attachments: list[Attachment]
    opened: bool  # it says what is asked for and why, not who and where
    reference: str  # the version shown, for the audit


@pages.get("/referrals/<referral_id>")
@reads
def referral(referral_id: str) -> str:
    """The referral with its entries, and the forms that accept or decline it."""
    with desk().store.read() as books:
        found = books.referrals.get(ReferralId(referral_id))
        person = books.people.get(found.person)
        episode = books.episodes.get(found.episode)
        sender = books.clients.get(found.client)
        entries = list(_entries(books, found))
        declines = books.letters.of_episode(episode.id, LetterKind.DECLINE)
    note_persons([person.id])
    note_resources(entry.reference for entry in entries)
    listed = {move.event for move in moves_from(episode.state, By.CLINICIAN)}
    return page(
        "referral.html",
        title=f"Referral {found.number}",
        section="worklist",
        referral=found,
        person=person,
        episode=episode,
        sender=sender,
        entries=entries,
        decline=next((one for one in declines if one.state is LetterState.DRAFT), None),
        may_accept=Event.ACCEPT in listed,
    )


def _entries(books: Books, referral: Referral) -> Iterator[Entry]:
    """The entries: what is asked for first, who and what stands around it last."""
    kept = sorted(
        books.referrals.entries(referral.id), key=lambda entry: (_place(entry.type), entry.position)
    )
    published = books.published.find_many(Reader.house(), [f"{entry.type}/{entry.id}" for entry in kept])
    for entry in kept:
        version = published.get(f"{entry.type}/{entry.id}")
        if version is None:
            continue
        resource = read_published(version.content)
        yield Entry(
            position=entry.position,
            name=type_name(entry.type),
            lines=outline(resource),
            attachments=attachments_of(resource),
            opened=entry.type not in _LAST,
            reference=version.reference,
        )


def _place(kind: str) -> int:
    if kind in _FIRST:
        return 0
    return 2 + _LAST.index(kind) if kind in _LAST else 1
