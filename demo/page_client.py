"""Reads the clinicians' pages and posts their forms, like a browser without JavaScript."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

SECONDS = 60


@dataclass
class Form:
    """A form of a page: its action, method and initial field values."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Link:
    """A link of a page, with the text of its table row or list item."""

    href: str
    line: str = ""


class PageRefused(Exception):
    """A page answered with an error, or lacks an expected form or link."""


class PageClient:
    """A session with the clinicians' pages."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._session = requests.Session()
        self._session.trust_env = False
        self._cookies: dict[str, str] = {}

    def log_in(self, login: str, password: str) -> None:
        """Logs in by the login form."""
        self.submit("/login", "/login", {"login": login, "password": password})

    def read(self, path: str) -> str:
        """Returns the page's HTML."""
        return self._ask("GET", urljoin(self.address, path)).text

    def fetch(self, path: str) -> bytes:
        """Returns the bytes of a path, such as a PDF."""
        return self._ask("GET", urljoin(self.address, path)).content

    def forms(self, path: str) -> list[Form]:
        """Returns the forms of a page."""
        return forms_of(self.read(path))

    def links(self, path: str, to: str) -> list[Link]:
        """Returns a page's links whose address matches the pattern `to`, in page order."""
        return [link for link in links_of(self.read(path)) if re.fullmatch(to, link.href)]

    def form(self, path: str, action: str) -> Form:
        """Returns the form of a page whose action matches the pattern.

        Raises PageRefused where there is none.
        """
        for form in self.forms(path):
            if re.fullmatch(action, form.action):
                return form
        raise PageRefused(f"{path} has no form for {action}")

    def submit(self, path: str, action: str, values: Mapping[str, str] | None = None) -> str:
        """Fills in and posts a form of a page; returns the next page's path."""
        return self.follow(self.form(path, action), values)

    def follow(self, form: Form, values: Mapping[str, str] | None = None) -> str:
        """Posts a form with these fields filled in; returns the next page's path."""
        answer = self._ask("POST", urljoin(self.address, form.action), {**form.fields, **(values or {})})
        return str(answer.request.path_url)

    def _ask(self, method: str, address: str, data: dict[str, str] | None = None) -> requests.Response:
        # The session cookie is Secure and loopback is plain HTTP: browsers send it there, requests does not.
        sent = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = self._session.request(
            method,
            address,
            data=data,
            headers={"Cookie": sent} if sent else {},
            timeout=SECONDS,
            allow_redirects=False,
        )
        for cookie in answer.cookies:
            self._cookies[cookie.name] = cookie.value or ""
        self._session.cookies.clear()
        if answer.is_redirect:
            return self._ask("GET", urljoin(address, answer.headers["Location"]))
        if answer.status_code >= 400:
            raise PageRefused(f"{method} {answer.request.path_url} answered {answer.status_code}")
        return answer


def forms_of(html: str) -> list[Form]:
    """Returns the forms in the HTML, with hidden and filled-in fields."""
    reader = _FormReader()
    reader.feed(html)
    return reader.forms


def links_of(html: str) -> list[Link]:
    """Returns the links in the HTML."""
    reader = _LinkReader()
    reader.feed(html)
    return reader.links


class _LinkReader(HTMLParser):
    _LINES = ("tr", "li")

    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self._text: list[str] = []
        self._line_begins = 0  # index of the first link of the current line

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in self._LINES:
            self._text, self._line_begins = [], len(self.links)
        elif tag == "a":
            self.links.append(Link(dict(attributes).get("href") or ""))

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._LINES:
            line = " ".join("".join(self._text).split())
            for link in self.links[self._line_begins :]:
                link.line = line
            self._text, self._line_begins = [], len(self.links)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._text: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and "name" in given:
            self._field(tag, given, self._open)
        elif tag == "option" and self._open is not None and self._select and "selected" in given:
            self._open.fields[self._select] = given.get("value", "")

    def _field(self, tag: str, given: dict[str, str], form: Form) -> None:
        if tag == "input":
            chosen = given.get("type") not in ("radio", "checkbox", "submit") or "checked" in given
            if chosen:
                form.fields[given["name"]] = given.get("value", "")
        elif tag == "textarea":
            self._text = given["name"]
            form.fields[self._text] = ""
        elif tag == "select":
            self._select = given["name"]

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._text is not None:
            # HTML ignores a line break directly after <textarea>.
            added = data if self._open.fields[self._text] else data.removeprefix("\n")
            self._open.fields[self._text] += added

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None
