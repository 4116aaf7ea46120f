"""What a search asks, read from its parameters: everything wrong is named in one go, and no value is repeated."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from urllib.parse import parse_qsl

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.identifiers import PersonId, ResourceId
from fhir_pmp.store.searches import Prefix, Search, SortKey, SpanFilter, TokenChoice, TokenFilter
from fhir_pmp.web.fhir_api.date_spans import NotADate, read_span
from fhir_pmp.web.fhir_api.served import CONTROLS, Kind, Parameter

USUAL_COUNT = 50
LARGEST_COUNT = 200
"""Resources on one page; who asks for more gets this many and a next link, as FHIR lets a server do."""
MOST_CHOICES = 50
"""Values after commas in one parameter."""
LONGEST_VALUE = 1000
"""Characters."""
FORMATS = frozenset({"json", "application/json", "application/fhir+json", "application/fhir json"})
"""`_format` values we serve; the last is what an unescaped + becomes on its way."""

_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9-]{0,40}(?::[A-Za-z]{1,20})?")
_CONTROL = re.compile("[\x00-\x1f\x7f\ufffd\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)

Pairs = Sequence[tuple[str, str]]
MOST_PAIRS = 100
"""Parameters in one request."""


def read_pairs(encoded: bytes) -> list[tuple[str, str]]:
    """The parameters of an address or a form, in order. Raises SearchNotUnderstood for other than UTF-8."""
    try:
        text = encoded.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PAIRS)
    except UnicodeDecodeError:
        raise SearchNotUnderstood("hold what is not UTF-8", field="parameters") from None
    except ValueError:
        raise SearchNotUnderstood(f"are more than {MOST_PAIRS}", field="parameters") from None


class SearchNotUnderstood(NotUnderstood):
    """A search parameter is unknown here or its value cannot be read. The caller corrects those named."""


@dataclass(slots=True)
class _Reading:
    """The filters read so far, and what is wrong."""

    zone: tzinfo
    base: str
    ids: set[str] | None = None
    people: set[str] = field(default_factory=set)
    tokens: list[TokenFilter] = field(default_factory=list)
    dates: list[SpanFilter] = field(default_factory=list)
    updated: list[SpanFilter] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_search(
    type: str, pairs: Pairs, parameters: Mapping[str, Parameter], *, zone: tzinfo, base: str
) -> tuple[Search, bool]:
    """The search, and whether only the number of matches is wanted (`_count=0`).

    `zone` counts for dates without an offset; `base` is our own FHIR address, for absolute references.
    Raises SearchNotUnderstood.
    """
    reading = _Reading(zone, base)
    for name, value in pairs:
        if name in CONTROLS:
            continue
        known = parameters.get(name)
        if known is None:
            reading.faults.append(Fault(shown(name), _why_unknown(name, parameters)))
        elif fault := _unreadable(value):
            reading.faults.append(Fault(name, fault))
        else:
            _READERS[known.kind](reading, known, value)
    sort, descending = _sort(pairs, parameters, reading.faults)
    count = _count(pairs, reading.faults)
    _check_format(pairs, reading.faults)
    if len(reading.people) > 1:
        reading.faults.append(Fault("patient", "names several people; a search is about one"))
    if reading.faults:
        raise SearchNotUnderstood(faults=reading.faults)
    person = next(iter(reading.people), None)
    search = Search(
        type=type,
        # An intersection that is empty matches nothing; FHIR has no id of this form.
        ids=tuple(ResourceId(i) for i in sorted(reading.ids)) or (ResourceId("-none-"),)
        if reading.ids is not None
        else (),
        person=None if person is None else PersonId(person),
        tokens=tuple(reading.tokens),
        dates=tuple(reading.dates),
        last_updated=tuple(reading.updated),
        sort=sort,
        descending=descending,
        count=max(count, 1),
    )
    return search, count == 0


def only(pairs: Pairs, names: Iterable[str] = ("_format",)) -> None:
    """Refuses parameters other than these. Raises SearchNotUnderstood."""
    faults = [
        Fault(shown(name), "is not a parameter of this request") for name, _ in pairs if name not in names
    ]
    _check_format(pairs, faults)
    if faults:
        raise SearchNotUnderstood(faults=faults)


def shown(name: str) -> str:
    """A parameter's name for a message; `?` for one that looks like nothing FHIR has, which may be data."""
    return name if _NAME.fullmatch(name) else "?"


def _why_unknown(name: str, parameters: Mapping[str, Parameter]) -> str:
    plain, colon, _ = name.partition(":")
    if plain in parameters and colon:
        return "has a modifier that is not supported here"
    return f"is not searched by here; these are: {', '.join(sorted(parameters))}"


def _unreadable(value: str) -> str | None:
    if not value:
        return "is empty"
    if len(value) > LONGEST_VALUE:
        return f"has more than {LONGEST_VALUE} characters"
    return "holds a control character or what is not UTF-8" if _CONTROL.search(value) else None


# one reader for each kind of parameter


def _read_token(reading: _Reading, known: Parameter, value: str) -> None:
    choices: list[TokenChoice] = []
    for one in split_escaped(value, ","):
        parts = [unescaped(part) for part in split_escaped(one, "|")]
        if len(parts) > 2 or not parts[-1]:
            reading.faults.append(Fault(known.name, "is not written as code, system|code or |code"))
            return
        choices.append(TokenChoice(parts[0] if len(parts) == 2 else None, parts[-1]))
    _keep_choices(reading, known, choices)


def _read_whole(reading: _Reading, known: Parameter, value: str) -> None:
    _keep_choices(reading, known, [TokenChoice("", unescaped(one)) for one in split_escaped(value, ",")])


def _keep_choices(reading: _Reading, known: Parameter, choices: list[TokenChoice]) -> None:
    if len(choices) > MOST_CHOICES:
        reading.faults.append(Fault(known.name, f"has more than {MOST_CHOICES} values"))
    reading.tokens.append(TokenFilter(known.name, tuple(choices)))


def _read_ids(reading: _Reading, known: Parameter, value: str) -> None:
    ids = value.split(",")
    if len(ids) > MOST_CHOICES or not all(_ID.fullmatch(one) for one in ids):
        reading.faults.append(Fault(known.name, f"takes up to {MOST_CHOICES} ids of FHIR"))
    reading.ids = set(ids) if reading.ids is None else reading.ids & set(ids)


def _read_person(reading: _Reading, known: Parameter, value: str) -> None:
    plain = value.removeprefix(reading.base + "/").removeprefix("Patient/")
    if not _ID.fullmatch(plain):
        reading.faults.append(Fault(known.name, "takes one Patient, as id, as Patient/id or by our address"))
    reading.people.add(plain)


def _read_date(reading: _Reading, known: Parameter, value: str) -> None:
    found = _PREFIX.fullmatch(value)
    prefix, text = (found[1] or "eq", found[2]) if found else ("eq", value)
    if "," in text:
        reading.faults.append(Fault(known.name, "takes one date; name the parameter again to narrow it"))
        return
    if prefix == "ap":
        reading.faults.append(Fault(known.name, "has the prefix ap, which is not supported"))
        return
    try:
        first, after = read_span(text, reading.zone)
    except NotADate as wrong:
        reading.faults.append(Fault(known.name, str(wrong)))
        return
    spans = reading.updated if known.kind is Kind.UPDATED else reading.dates
    spans.append(SpanFilter(Prefix(prefix), first, after))


_READERS = {
    Kind.TOKEN: _read_token,
    Kind.URI: _read_whole,
    Kind.CANONICAL: _read_whole,
    Kind.ID: _read_ids,
    Kind.PERSON: _read_person,
    Kind.DATE: _read_date,
    Kind.UPDATED: _read_date,
}


# the parameters that shape the answer


def _sort(pairs: Pairs, parameters: Mapping[str, Parameter], faults: list[Fault]) -> tuple[SortKey, bool]:
    given = [value for name, value in pairs if name == "_sort"]
    if not given:
        return SortKey.LAST_UPDATED, False
    descending = given[0].startswith("-")
    by = parameters.get(given[0].removeprefix("-"))
    if len(given) > 1 or by is None or not by.sorts:
        names = ", ".join(sorted(p.name for p in parameters.values() if p.sorts))
        faults.append(Fault("_sort", f"takes one of {names}, with - in front for the newest first"))
        return SortKey.LAST_UPDATED, False
    return (SortKey.LAST_UPDATED if by.kind is Kind.UPDATED else SortKey.DATE), descending


def _count(pairs: Pairs, faults: list[Fault]) -> int:
    given = [value for name, value in pairs if name == "_count"]
    if not given:
        return USUAL_COUNT
    if len(given) > 1 or not re.fullmatch(r"[0-9]{1,6}", given[0], re.ASCII):
        faults.append(Fault("_count", "takes one whole number"))
        return USUAL_COUNT
    return min(int(given[0]), LARGEST_COUNT)


def _check_format(pairs: Pairs, faults: list[Fault]) -> None:
    if any(name == "_format" and value not in FORMATS for name, value in pairs):
        faults.append(Fault("_format", "takes json: nothing else is served"))


# FHIR's escapes: \, \| \$ \\


def split_escaped(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash stands before; their escapes are left in."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescaped(text: str) -> str:
    """The text with its escapes taken away."""
    return re.sub(r"\\([,|$\\])", r"\1", text)
