"""Builds a letter's FHIR document Bundle and DocumentReference with the content of its PDF."""

from collections.abc import Iterator
from datetime import datetime

from fhir_pmp.fhir.administration.practitioner import build_practitioner, build_practitioner_role
from fhir_pmp.fhir.documents.document_bundle import build_document_bundle
from fhir_pmp.fhir.documents.document_reference import build_document_reference
from fhir_pmp.fhir.documents.letter_document import LetterDocument, LetterSection
from fhir_pmp.fhir.elements import narrative
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.fhir.terminology.systems import LOINC
from fhir_pmp.identifiers import LetterId, ResourceId
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.letters.text.letter_content import (
    Block,
    Bullets,
    Grid,
    LetterContent,
    MeasureBlock,
    Paragraph,
    Section,
    printable,
)
from fhir_pmp.letters.text.letter_facts import LetterFacts, Signer
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Sharing
from fhir_pmp.publishing.episode_resources import read_published
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.versions.read_scope import Reader


def build_letter_resources(
    uow: UnitOfWork,
    clinic: ClinicalContext,
    facts: LetterFacts,
    content: LetterContent,
    pdf: bytes,
    *,
    replaces: LetterId | None,
    at: datetime,
) -> list[RenderedResource]:
    """The document Bundle and the DocumentReference of a letter that leaves at this moment (aware).

    The signer's Practitioner is published before. Raises DocumentIncomplete if a resource of the letter is not published.
    """
    letter = _letter_document(uow, clinic, facts, content, replaces, at)

    def load(reference: str) -> bytes | None:
        found = uow.published.find(Reader.internal(), *reference.split("/"))
        return None if found is None else found.content

    return [
        build_document_bundle(clinic, letter, load),
        build_document_reference(clinic, letter, pdf),
    ]


def build_signer_resources(clinic: ClinicalContext, signer: Signer) -> list[RenderedResource]:
    """The clinician who signs, as Practitioner with their registration and their role at the provider."""
    signer_id = clinic.ids.signer_id(signer.account)
    number = signer.registration
    registration = None if number is None else clinic.ids.own_identifier(IdKind.PRACTITIONER, number)
    return [
        build_practitioner(signer_id, signer.name, registration),
        build_practitioner_role(clinic, signer_id, clinic.provider_id()),
    ]


def supersede_document(uow: UnitOfWork, document: ResourceId) -> list[RenderedResource]:
    """The DocumentReference of a replaced letter, with the status `superseded`."""
    version = uow.published.find(Reader.internal(), "DocumentReference", document)
    if version is None:
        return []
    resource = read_published(version.content)
    resource["status"] = "superseded"
    return [
        render(
            resource,
            sharing=version.sharing,
            person=version.person,
            episode=version.episode,
            owner=version.owner,
        )
    ]


def _letter_document(
    uow: UnitOfWork,
    clinic: ClinicalContext,
    facts: LetterFacts,
    content: LetterContent,
    replaces: LetterId | None,
    at: datetime,
) -> LetterDocument:
    kind = facts.kind.definition
    referral, signer = facts.referral, facts.signer
    author = (
        f"Organization/{clinic.provider_id()}"
        if signer is None
        else f"Practitioner/{clinic.ids.signer_id(signer.account)}"
    )
    entries = [entry for section in content.sections for entry in section.entries]
    known = uow.published.find_many(Reader.internal(), entries) if entries else {}
    return LetterDocument(
        id=facts.letter,
        person=facts.person.id,
        episode=facts.episode.id,
        sharing=Sharing.RECORD if kind.states_outcomes else Sharing.REFERRAL,
        owner=None if referral is None else referral.client,
        title=content.title,
        type=None if kind.document_type is None else Coding(LOINC, *kind.document_type),
        issued_at=at.astimezone(clinic.zone),
        author=author,
        signed=signer is not None,
        sections=tuple(_section(section, set(known)) for section in content.sections),
        request=None if referral is None else referral.service_request_id,
        replaces=replaces,
    )


def _section(section: Section, published: set[str]) -> LetterSection:
    return LetterSection(
        title=section.title,
        code=None if section.code is None else Coding(LOINC, section.code),
        blocks=tuple(part for block in section.blocks for part in _blocks(block)),
        # Results of unconfirmed rules are not published, and a document refers only to its own entries.
        entries=tuple(entry for entry in section.entries if entry in published),
    )


def _blocks(block: Block) -> Iterator[narrative.Block]:
    match block:
        case Paragraph(text=text):
            yield narrative.Paragraph(printable(text))
        case Bullets(title=title, lines=lines):
            if title is not None:
                yield narrative.Paragraph(printable(title))
            yield narrative.BulletList(tuple(map(printable, lines)))
        case Grid(head=head, rows=rows):
            yield narrative.Table(head, tuple(tuple(map(printable, row)) for row in rows))
        case MeasureBlock():
            yield narrative.Paragraph(f"{block.title} ({block.range_text})")
            yield narrative.BulletList(block.lines + block.verdicts)
