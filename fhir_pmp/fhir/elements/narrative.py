"""Builds FHIR's XHTML narrative from blocks of text; all text is escaped."""

from dataclasses import dataclass
from html import escape
from typing import Any

_XHTML = "http://www.w3.org/1999/xhtml"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class BulletList:
    """A list of short lines."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row has as many cells as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str | None = None


Block = Paragraph | BulletList | Table


def build_narrative(blocks: tuple[Block, ...]) -> dict[str, Any]:
    """Builds a generated Narrative of the blocks.

    Raises ValueError without a block: FHIR requires content.
    """
    if not blocks:
        raise ValueError("a narrative without content is none")
    return {"status": "generated", "div": f'<div xmlns="{_XHTML}">{"".join(map(_written, blocks))}</div>'}


def _written(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case BulletList(lines):
            return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
        case Table(header, rows, caption):
            title = f"<caption>{escape(caption)}</caption>" if caption else ""
            body = "".join(_row(row, "td") for row in rows)
            return f"<table>{title}<thead>{_row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def _row(cells: tuple[str, ...], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
