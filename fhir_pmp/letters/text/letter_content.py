"""Defines the content of a letter as typed data.

The PDF and the FHIR document are made from it.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fhir_pmp.letters.text.charts import Chart
from fhir_pmp.pathway.letter_kinds import LetterKind


class ParagraphStyle(StrEnum):
    """How a paragraph is set."""

    PLAIN = "plain"
    STRONG = "strong"
    SMALL = "small"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    style: ParagraphStyle = ParagraphStyle.PLAIN


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list with an optional title above it."""

    title: str | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a row of headings; its first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class MeasureBlock:
    """One measure over the programme: scores, change, the verdict of each rule, and a chart."""

    title: str
    range_text: str
    lines: tuple[str, ...]
    verdicts: tuple[str, ...]
    chart: Chart | None


Block = Paragraph | Bullets | Grid | MeasureBlock


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the letter with its heading; a section without content is left out."""

    id: str
    title: str
    code: str | None  # LOINC, where one is verified
    blocks: tuple[Block, ...]
    entries: tuple[str, ...] = ()  # "Type/id" of the published resources it was written from


@dataclass(frozen=True, slots=True)
class LetterContent:
    """A whole letter."""

    kind: LetterKind
    title: str
    provider: tuple[str, ...]  # name first, then address and how to reach it
    recipient: tuple[str, ...]
    dated: str
    dated_on: date
    subject: tuple[tuple[str, str], ...]  # label and value: who this is about, by three identifiers or more
    salutation: str
    opening: str
    page_one: tuple[Section, ...]
    details: tuple[Section, ...]
    closing: tuple[str, ...]  # the signer, or the note that the letter is unsigned
    footer: str

    @property
    def sections(self) -> tuple[Section, ...]:
        """Every section, in the order of reading."""
        return self.page_one + self.details


def printable(text: str) -> str:
    """Replaces each control character by U+FFFD; the typesetter cannot print one and would fail."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
