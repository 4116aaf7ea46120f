"""Markdown as the generated pages need it: headings, tables, text that cannot break a table."""

from collections.abc import Iterable, Sequence

NOTE = "*Written by `make docs`. A change here is lost; change what it is written from.*"


def page(title: str, opening: str, *parts: str) -> str:
    """A whole page: its title, for whom it is and which kind, then its parts."""
    return "\n\n".join((f"# {title}", opening, NOTE, *(part for part in parts if part))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; empty where there is no row."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])


def code(text: str) -> str:
    """Text as it is typed or stored; nothing for nothing."""
    return f"`{text}`" if text else ""


def replaced(text: str, name: str, body: str) -> str:
    """The page with the part between its two marks of that name written anew. Raises ValueError without the marks."""
    start, end = f"<!-- generated: {name} -->", "<!-- end of generated -->"
    before, mark, rest = text.partition(start)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"the page has no marks for {name}")
    return f"{before}{start}\n\n{body}\n\n{end}{after}"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").strip()
