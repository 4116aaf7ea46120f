"""Builds the Markdown of generated pages: pages, tables, code and JSON blocks."""

import json
from collections.abc import Iterable, Mapping, Sequence

NOTE = "*Written by `make docs`. A change here is lost; change what it is written from.*"


def page(title: str, opening: str, *parts: str) -> str:
    """Returns a whole page: title, audience and kind, note, then the parts."""
    return "\n\n".join((f"# {title}", opening, NOTE, *(part for part in parts if part))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table; an empty text without rows."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])


def code(text: str) -> str:
    """Returns the text as inline code; an empty text unchanged."""
    return f"`{text}`" if text else ""


def json_block(value: object) -> str:
    """Returns a JSON block in which every value that fits is on one line."""
    return "```json\n" + "\n".join(_lines(value, "", "")) + "\n```"


def replace_generated_part(text: str, name: str, body: str) -> str:
    """Replaces the part of a page between its two marks of that name.

    Raises ValueError without the marks.
    """
    start, end = f"<!-- generated: {name} -->", "<!-- end of generated -->"
    before, mark, rest = text.partition(start)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"the page has no marks for {name}")
    return f"{before}{start}\n\n{body}\n\n{end}{after}"


WIDTH = 130
"""The most characters in a line of JSON."""


def _lines(value: object, before: str, after: str) -> list[str]:
    whole = json.dumps(value, ensure_ascii=False)
    indent = len(before) - len(before.lstrip())
    if len(before) + len(whole) + len(after) <= WIDTH or not isinstance(value, Mapping | list) or not value:
        return [before + whole + after]
    inner = " " * (indent + 2)
    members = (
        [(f"{inner}{json.dumps(name)}: ", member) for name, member in value.items()]
        if isinstance(value, Mapping)
        else [(inner, member) for member in value]
    )
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    lines = [before + opening]
    for at, (start, member) in enumerate(members, 1):
        lines += _lines(member, start, "," if at < len(members) else "")
    return [*lines, " " * indent + closing + after]


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").strip()
