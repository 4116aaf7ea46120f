"""Reads search parameters into a `Search`.

A refusal names every faulty parameter at once and never repeats a value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from urllib.parse import parse_qsl

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.fhir.search.parameters import Element, SearchParameter
from fhir_pmp.identifiers import PersonId, ResourceId
from fhir_pmp.store.versions.search_query import Prefix, Search, SortKey, SpanFilter, TokenChoice, TokenFilter
from fhir_pmp.web.fhir_api.date_spans import NotADate, read_span
from fhir_pmp.web.fhir_api.supported_types import RESULT_PARAMETERS

DEFAULT_COUNT = 50
MAX_COUNT = 200
"""Resources on one page. A caller that asks for more gets this many and a next link, as FHIR allows."""
MAX_VALUES_PER_PARAMETER = 50
"""Comma-separated values in one parameter."""
MAX_VALUE_LENGTH = 1000
"""Characters."""
FORMATS = frozenset({"json", "application/json", "application/fhir+json", "application/fhir json"})
"""Accepted `_format` values; the last is how an unescaped + arrives."""

_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9-]{0,40}(?::[A-Za-z]{1,20})?")
_CONTROL = re.compile("[\x00-\x1f\x7f\ufffd\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)

Pairs = Sequence[tuple[str, str]]
MAX_PARAMETERS = 100
"""Parameters in one request."""


def parse_query(encoded: bytes) -> list[tuple[str, str]]:
    """Decodes the parameters of a URL or a form, in order.

    Raises SearchNotUnderstood for too many parameters or text that is not UTF-8.
    """
    try:
        text = encoded.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise SearchNotUnderstood("hold text that is not UTF-8", field="parameters") from None
    except ValueError:
        raise SearchNotUnderstood(f"are more than {MAX_PARAMETERS}", field="parameters") from None


class SearchNotUnderstood(NotUnderstood):
    """A search parameter is unknown here or its value cannot be read. The caller corrects those named."""


@dataclass(slots=True)
class _SearchBuilder:
    """Collects the filters read so far and the faults found."""

    zone: tzinfo
    base: str
    ids: set[str] | None = None
    people: set[str] = field(default_factory=set)
    tokens: list[TokenFilter] = field(default_factory=list)
    dates: list[SpanFilter] = field(default_factory=list)
    updated: list[SpanFilter] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_search(
    type: str, pairs: Pairs, parameters: Mapping[str, SearchParameter], *, zone: tzinfo, base: str
) -> tuple[Search, bool]:
    """Returns the search, and whether only the number of matches is wanted (`_count=0`).

    `zone` applies to dates without an offset; `base` is our own FHIR base URL, for absolute references.
    Raises SearchNotUnderstood.
    """
    builder = _SearchBuilder(zone, base)
    for name, value in pairs:
        if name in RESULT_PARAMETERS:
            continue
        parameter = parameters.get(name)
        if parameter is None:
            builder.faults.append(
                Fault(safe_parameter_name(name), _unknown_parameter_fault(name, parameters))
            )
        elif fault := _value_fault(value):
            builder.faults.append(Fault(name, fault))
        else:
            _READERS[parameter.element](builder, parameter, value)
    sort, descending = _sort(pairs, parameters, builder.faults)
    count = _count(pairs, builder.faults)
    _check_format(pairs, builder.faults)
    if len(builder.people) > 1:
        builder.faults.append(Fault("patient", "names several people; a search is about one"))
    if builder.faults:
        raise SearchNotUnderstood(faults=builder.faults)
    person = next(iter(builder.people), None)
    search = Search(
        type=type,
        # An empty intersection must match nothing; no resource has this id.
        ids=tuple(ResourceId(i) for i in sorted(builder.ids)) or (ResourceId("-none-"),)
        if builder.ids is not None
        else (),
        person=None if person is None else PersonId(person),
        tokens=tuple(builder.tokens),
        dates=tuple(builder.dates),
        last_updated=tuple(builder.updated),
        sort=sort,
        descending=descending,
        count=max(count, 1),
    )
    return search, count == 0


def reject_other_parameters(pairs: Pairs, names: Iterable[str] = ("_format",)) -> None:
    """Raises SearchNotUnderstood for any parameter other than these."""
    faults = [
        Fault(safe_parameter_name(name), "is not a parameter of this request")
        for name, _ in pairs
        if name not in names
    ]
    _check_format(pairs, faults)
    if faults:
        raise SearchNotUnderstood(faults=faults)


def safe_parameter_name(name: str) -> str:
    """Returns a parameter's name for a message, or `?` for unsafe text.

    A text that is not a FHIR parameter name may be personal data.
    """
    return name if _NAME.fullmatch(name) else "?"


def _unknown_parameter_fault(name: str, parameters: Mapping[str, SearchParameter]) -> str:
    plain, colon, _ = name.partition(":")
    if plain in parameters and colon:
        return "has a modifier that is not supported here"
    return f"is not supported here; supported are: {', '.join(sorted(parameters))}"


def _value_fault(value: str) -> str | None:
    if not value:
        return "is empty"
    if len(value) > MAX_VALUE_LENGTH:
        return f"has more than {MAX_VALUE_LENGTH} characters"
    return "holds a control character or text that is not UTF-8" if _CONTROL.search(value) else None


# One reader for each type of element.


def _read_token(builder: _SearchBuilder, parameter: SearchParameter, value: str) -> None:
    choices: list[TokenChoice] = []
    for one in split_escaped(value, ","):
        parts = [unescape(part) for part in split_escaped(one, "|")]
        if len(parts) > 2 or not parts[-1]:
            builder.faults.append(Fault(parameter.name, "is not written as code, system|code or |code"))
            return
        choices.append(TokenChoice(parts[0] if len(parts) == 2 else None, parts[-1]))
    _keep_choices(builder, parameter, choices)


def _read_whole(builder: _SearchBuilder, parameter: SearchParameter, value: str) -> None:
    _keep_choices(builder, parameter, [TokenChoice("", unescape(one)) for one in split_escaped(value, ",")])


def _keep_choices(builder: _SearchBuilder, parameter: SearchParameter, choices: list[TokenChoice]) -> None:
    if len(choices) > MAX_VALUES_PER_PARAMETER:
        builder.faults.append(Fault(parameter.name, f"has more than {MAX_VALUES_PER_PARAMETER} values"))
    builder.tokens.append(TokenFilter(parameter.name, tuple(choices)))


def _read_ids(builder: _SearchBuilder, parameter: SearchParameter, value: str) -> None:
    ids = value.split(",")
    if len(ids) > MAX_VALUES_PER_PARAMETER or not all(_ID.fullmatch(one) for one in ids):
        builder.faults.append(Fault(parameter.name, f"takes up to {MAX_VALUES_PER_PARAMETER} ids of FHIR"))
    builder.ids = set(ids) if builder.ids is None else builder.ids & set(ids)


def _read_person(builder: _SearchBuilder, parameter: SearchParameter, value: str) -> None:
    plain = value.removeprefix(builder.base + "/").removeprefix("Patient/")
    if not _ID.fullmatch(plain):
        builder.faults.append(
            Fault(parameter.name, "takes one Patient, as id, as Patient/id or by our address")
        )
    builder.people.add(plain)


def _read_date(builder: _SearchBuilder, parameter: SearchParameter, value: str) -> None:
    found = _PREFIX.fullmatch(value)
    prefix, text = (found[1] or "eq", found[2]) if found else ("eq", value)
    if "," in text:
        builder.faults.append(Fault(parameter.name, "takes one date; name the parameter again to narrow it"))
        return
    if prefix == "ap":
        builder.faults.append(Fault(parameter.name, "has the prefix ap, which is not supported"))
        return
    try:
        first, after = read_span(text, builder.zone)
    except NotADate as wrong:
        builder.faults.append(Fault(parameter.name, str(wrong)))
        return
    spans = builder.updated if parameter.element is Element.UPDATED else builder.dates
    spans.append(SpanFilter(Prefix(prefix), first, after))


_READERS = {
    Element.IDENTIFIER: _read_token,
    Element.CONCEPT: _read_token,
    Element.TEXT: _read_token,
    Element.URI: _read_whole,
    Element.CANONICAL: _read_whole,
    Element.ID: _read_ids,
    Element.PATIENT: _read_person,
    Element.DATE: _read_date,
    Element.UPDATED: _read_date,
}


# The parameters that shape the response.


def _sort(
    pairs: Pairs, parameters: Mapping[str, SearchParameter], faults: list[Fault]
) -> tuple[SortKey, bool]:
    given = [value for name, value in pairs if name == "_sort"]
    if not given:
        return SortKey.LAST_UPDATED, False
    descending = given[0].startswith("-")
    by = parameters.get(given[0].removeprefix("-"))
    if len(given) > 1 or by is None or not by.element.is_sortable:
        names = ", ".join(sorted(p.name for p in parameters.values() if p.element.is_sortable))
        faults.append(Fault("_sort", f"takes one of {names}, with - in front for the newest first"))
        return SortKey.LAST_UPDATED, False
    return (SortKey.LAST_UPDATED if by.element is Element.UPDATED else SortKey.DATE), descending


def _count(pairs: Pairs, faults: list[Fault]) -> int:
    given = [value for name, value in pairs if name == "_count"]
    if not given:
        return DEFAULT_COUNT
    if len(given) > 1 or not re.fullmatch(r"[0-9]{1,6}", given[0], re.ASCII):
        faults.append(Fault("_count", "takes one whole number"))
        return DEFAULT_COUNT
    return min(int(given[0]), MAX_COUNT)


def _check_format(pairs: Pairs, faults: list[Fault]) -> None:
    if any(name == "_format" and value not in FORMATS for name, value in pairs):
        faults.append(Fault("_format", "takes json: nothing else is served"))


# FHIR's escapes: \, \| \$ \\.


def split_escaped(text: str, separator: str) -> list[str]:
    """Splits at separators without a backslash before them; keeps escapes in the parts."""
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


def unescape(text: str) -> str:
    """Removes FHIR's escapes from the text."""
    return re.sub(r"\\([,|$\\])", r"\1", text)
