"""Checks LOINC and SNOMED CT codes, and finds the item or answer of a code."""

import re

from fhir_pmp.instruments.definition import Coding, Instrument, Item, Option

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"

_LOINC_FORM = re.compile(r"(LA|LL|LP|LG)?[1-9][0-9]{0,6}-[0-9]")
_SNOMED_FORM = re.compile(r"[1-9][0-9]{5,17}")

# Verhoeff's tables: products in the dihedral group of order 10, and the permutation by position.
_PRODUCT = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTATION = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def is_valid_loinc_code(code: str) -> bool:
    """Whether a LOINC, LA or LL code is well-formed, with a valid check digit.

    The check digit follows Luhn (clinical.md 3.3).
    """
    if not _LOINC_FORM.fullmatch(code):
        return False
    body, check = code.split("-")
    total = 0
    for position, character in enumerate(reversed(body)):
        value = ord(character) - 48
        total += 2 * value - 9 * (value // 5) if position % 2 == 0 else value
    return int(check) == (10 - total % 10) % 10


def is_valid_snomed_code(code: str) -> bool:
    """Whether a SNOMED CT identifier has a valid form and check digit (Verhoeff, clinical.md 3.3)."""
    if not _SNOMED_FORM.fullmatch(code):
        return False
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = _PRODUCT[check][_PERMUTATION[position % 8][int(digit)]]
    return check == 0


def find_item(instrument: Instrument, system: str, code: str) -> Item | None:
    """Returns the item with this code, or None."""
    return next((item for item in instrument.items if _has_code(item.codings, system, code)), None)


def find_option(item: Item, system: str, code: str) -> Option | None:
    """Returns the answer of this item with this code, or None."""
    return next((option for option in item.options if _has_code(option.codings, system, code)), None)


def _has_code(codings: tuple[Coding, ...], system: str, code: str) -> bool:
    return any(coding.system == system and coding.code == code for coding in codings)
