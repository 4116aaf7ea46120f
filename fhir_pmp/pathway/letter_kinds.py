"""Defines each kind of letter: when it is due, its signer and what it states."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class LetterTrigger(StrEnum):
    """The event that makes a letter due."""

    REFERRAL_RECEIVED = "a referral was received"
    REFERRAL_DECLINED = "a clinician starts to decline a referral"  # drafted at once, never queued
    EPISODE_ENDED = "an episode ended"


@dataclass(frozen=True, slots=True)
class LetterKindDefinition:
    """The rules of one kind of letter.

    No field has a default, so that each kind decides every question.
    """

    title: str  # on the pages; the printed title is in mappings/letters/wording.yaml
    due_when: LetterTrigger
    signed_by_clinician: bool  # False: sent automatically, unsigned, and never replaced
    may_be_discarded: bool  # True: a clinician may discard the first draft, since no practice waits for it
    states_outcomes: bool  # needs an ended episode, consent, an identified person and acknowledged flags
    declines_referral: bool  # signing it declines the referral
    completes_task: bool  # signing it completes the referral's Task
    document_type: tuple[str, str] | None  # LOINC code and display, where one fits
    field_labels: Mapping[str, str]  # the fields that a clinician may edit, with their labels on the page


class LetterKind(StrEnum):
    """The kinds of letters; the value is hashed into letter ids and stored."""

    RECEIPT = "receipt"
    DECLINE = "decline"
    DISCHARGE = "discharge"

    @property
    def definition(self) -> LetterKindDefinition:
        """The rules of this kind."""
        return LETTER_KINDS[self]


_GP_ACTIONS, _COMMENT = "What we ask of the GP", "Comment"

LETTER_KINDS: Mapping[LetterKind, LetterKindDefinition] = MappingProxyType(
    {
        LetterKind.RECEIPT: LetterKindDefinition(
            title="Receipt",
            due_when=LetterTrigger.REFERRAL_RECEIVED,
            signed_by_clinician=False,
            may_be_discarded=False,
            states_outcomes=False,
            declines_referral=False,
            completes_task=False,
            document_type=None,
            field_labels=MappingProxyType({}),
        ),
        LetterKind.DECLINE: LetterKindDefinition(
            title="Decline letter",
            due_when=LetterTrigger.REFERRAL_DECLINED,
            signed_by_clinician=True,
            may_be_discarded=True,
            states_outcomes=False,
            declines_referral=True,
            completes_task=False,
            document_type=None,
            field_labels=MappingProxyType(
                {"gp_actions": _GP_ACTIONS, "comment": _COMMENT, "stop_reason": "Reason for declining"}
            ),
        ),
        LetterKind.DISCHARGE: LetterKindDefinition(
            title="Discharge letter",
            due_when=LetterTrigger.EPISODE_ENDED,
            signed_by_clinician=True,
            may_be_discarded=False,
            states_outcomes=True,
            declines_referral=False,
            completes_task=True,
            document_type=("18842-5", "Discharge summary"),
            field_labels=MappingProxyType(
                {
                    "gp_actions": _GP_ACTIONS,
                    "safety_actions": "Actions taken on safety answers",
                    "comment": _COMMENT,
                    "stop_reason": "Reason for stopping or not starting",
                }
            ),
        ),
    }
)


def letters_due(trigger: LetterTrigger) -> Iterator[LetterKind]:
    """Yields the kinds that this event makes due."""
    return (kind for kind, definition in LETTER_KINDS.items() if definition.due_when is trigger)
