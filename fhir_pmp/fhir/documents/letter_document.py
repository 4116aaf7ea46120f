"""Defines a letter's content for its Composition, document Bundle and DocumentReference."""

from dataclasses import dataclass
from datetime import datetime

from fhir_pmp.fhir.elements.narrative import Block
from fhir_pmp.identifiers import ClientId, EpisodeId, LetterId, PersonId, ResourceId
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.facts import Sharing


@dataclass(frozen=True, slots=True)
class LetterSection:
    """One section: heading, LOINC code if any, text, and the resources it is based on."""

    title: str
    code: Coding | None
    blocks: tuple[Block, ...]
    entries: tuple[str, ...] = ()  # "Type/id"


@dataclass(frozen=True, slots=True)
class LetterDocument:
    """A letter as sent: signed, or sent automatically (a receipt)."""

    id: LetterId
    person: PersonId
    episode: EpisodeId
    sharing: Sharing  # RECORD for a discharge letter, REFERRAL for a receipt or a decline
    owner: ClientId | None  # the practice client it is addressed to
    title: str
    type: Coding | None  # LOINC document type, if there is one
    issued_at: datetime  # aware: when it was signed, or sent
    author: str  # "Practitioner/..." of the signer, else "Organization/..." of the provider
    signed: bool  # by the author, at `issued_at`
    sections: tuple[LetterSection, ...]
    request: ResourceId | None = None  # the ServiceRequest it answers
    replaces: LetterId | None = None
