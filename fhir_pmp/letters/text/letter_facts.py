"""Defines a letter's facts, its signer, and the fields that a clinician may edit."""

from dataclasses import dataclass
from datetime import date, datetime

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.identifiers import LetterId
from fhir_pmp.pathway.facts import Episode, Person, Referral
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.pathway.summary.outcome_summary import Summary

LONGEST_FIELD = 1500
"""Characters. A clinician's text must fit on page one with the result."""


class FieldNotPrintable(NotUnderstood):
    """A field of the letter holds something that cannot be printed. The clinician shortens or corrects it."""


@dataclass(frozen=True, slots=True)
class LetterFields:
    """The text that a clinician may edit in a draft.

    The rest of a letter follows from facts.
    """

    gp_actions: str = ""
    safety_actions: str = ""
    comment: str = ""
    stop_reason: str = ""

    def __post_init__(self) -> None:
        faults = [fault for name in FIELD_NAMES if (fault := _find_fault(name, getattr(self, name)))]
        if faults:
            raise FieldNotPrintable(faults=faults)


FIELD_NAMES = ("gp_actions", "safety_actions", "comment", "stop_reason")


@dataclass(frozen=True, slots=True)
class Signer:
    """The clinician whose name a letter bears."""

    account: str
    name: str
    registration: str | None


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """Everything that one letter states."""

    letter: LetterId
    kind: LetterKind
    person: Person
    episode: Episode
    referral: Referral | None
    summary: Summary | None  # discharge letters only
    fields: LetterFields
    signer: Signer | None  # None: a receipt, or a draft without preview
    dated_on: date  # the clinic's day
    made_at: datetime  # aware
    replaces_on: date | None = None  # the day of the letter that this one replaces


def _find_fault(name: str, text: str) -> Fault | None:
    if len(text) > LONGEST_FIELD:
        return Fault(name, f"has more than {LONGEST_FIELD} characters")
    # A form sends line breaks and tabs; no other control character can be printed.
    if any(not (character.isprintable() or character in "\r\n\t") for character in text):
        return Fault(name, "holds a character that cannot be printed")
    return None
