"""What a letter is to FHIR: one value from which its Composition, document Bundle and DocumentReference are made."""

from dataclasses import dataclass
from datetime import datetime

from fhir_pmp.fhir.elements.narrative import Block
from fhir_pmp.identifiers import ClientId, EpisodeId, LetterId, PersonId, ResourceId
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.facts import Sharing


@dataclass(frozen=True, slots=True)
class LetterSection:
    """One section: its heading, its LOINC section code where there is one, its text, and what it was written from."""

    title: str
    code: Coding | None
    blocks: tuple[Block, ...]
    entries: tuple[str, ...] = ()  # "Type/id"


@dataclass(frozen=True, slots=True)
class LetterDocument:
    """A letter as it left: signed, or sent by itself (a receipt)."""

    id: LetterId
    person: PersonId
    episode: EpisodeId
    sharing: Sharing  # RECORD for a discharge letter, REFERRAL for a receipt or a decline
    owner: ClientId | None  # the practice client it is addressed to
    title: str
    type: Coding | None  # LOINC's document type, where one fits
    issued_at: datetime  # aware: when it was signed, or sent
    author: str  # "Practitioner/..." of the signer, else "Organization/..." of the provider
    signed: bool  # by the author, at `issued_at`
    sections: tuple[LetterSection, ...]
    request: ResourceId | None = None  # the ServiceRequest it answers
    replaces: LetterId | None = None
