"""Reads a page as a person without a browser would: its words, its forms, the rows of its tables."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_SKIPPED = ("script", "style")


def visible_text(html: str) -> str:
    """The visible words of a page's main part, blanks collapsed."""
    reader = _Words()
    reader.feed(_main(html))
    return re.sub(r"\s+", " ", "".join(reader.parts)).strip()


def table_rows(html: str) -> list[str]:
    """The rows of every table, each as its words."""
    return [visible_text(f"<main>{row}</main>") for row in re.findall(r"<tr.*?</tr>", html, re.S)]


@dataclass
class Form:
    """A form of the page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


def list_forms(html: str) -> list[Form]:
    """The forms of the page's main part."""
    reader = _Forms()
    reader.feed(_main(html))
    return reader.forms


def find_form(html: str, action_end: str) -> Form:
    """The one form whose action ends so."""
    (found,) = [one for one in list_forms(html) if one.action.endswith(action_end)]
    return found


def _main(html: str) -> str:
    return "<main" + html.partition("<main")[2].partition("</main>")[0]


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if self._hidden or given.get("aria-hidden") == "true" or tag in _SKIPPED:
            self._hidden += tag not in ("br", "input", "img", "meta", "link", "circle", "line")
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - 1)
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(given["action"]))
        elif self.forms and tag == "input" and given.get("type") != "radio":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif self.forms and tag == "textarea":
            self._textarea = given["name"]
            self.forms[-1].fields[self._textarea] = ""

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            # HTML drops the line break right behind the tag.
            before = self.forms[-1].fields[self._textarea]
            self.forms[-1].fields[self._textarea] = before + data if before else data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = None
