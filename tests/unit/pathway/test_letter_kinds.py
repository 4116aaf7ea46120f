"""Every kind of letter is defined once, and an unknown kind raises."""

import pytest

from fhir_pmp.letters.text.letter_writer import SECTION_BUILDERS
from fhir_pmp.pathway.letter_kinds import LETTER_KINDS, LetterKind, LetterTrigger, letters_due


def test_every_kind_has_a_definition_and_a_builder() -> None:
    assert set(LETTER_KINDS) == set(SECTION_BUILDERS) == set(LetterKind)


def test_unknown_kind_raises() -> None:
    with pytest.raises(ValueError, match="reminder"):
        LetterKind("reminder")


def test_definition_has_no_default() -> None:
    with pytest.raises(TypeError):
        type(LetterKind.RECEIPT.definition)(title="Reminder")  # type: ignore[call-arg]


def test_letters_due_lists_the_kinds_of_a_trigger() -> None:
    assert list(letters_due(LetterTrigger.EPISODE_ENDED)) == [LetterKind.DISCHARGE]
    assert list(letters_due(LetterTrigger.REFERRAL_RECEIVED)) == [LetterKind.RECEIPT]


def test_letter_signed_by_nobody_has_no_field_to_edit() -> None:
    automatic = [one for one in LETTER_KINDS.values() if not one.signed_by_clinician]
    assert automatic and all(not one.field_labels for one in automatic)
