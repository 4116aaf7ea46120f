"""Reads a resource's tokens and clinical date, the keys by which it is searched."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fhir_pmp.fhir.search.parameters import SEARCH_TABLE, Element, SearchParameter, SearchTable

Token = tuple[str, str, str]
"""One search key: parameter name (`code`, `identifier`, `status`, ...), system ("" where there is none), value."""


def tokens_of(resource: Mapping[str, Any], table: SearchTable = SEARCH_TABLE) -> tuple[Token, ...]:
    """Returns the search tokens of a resource, each once, in the order of the table."""
    return tuple(dict.fromkeys(_tokens(resource, table.stored(resource["resourceType"]))))


def date_of(resource: Mapping[str, Any], table: SearchTable = SEARCH_TABLE) -> str | None:
    """Returns the clinical date of a resource as it is written; None without one."""
    path = table.date_path(resource["resourceType"])
    if path is None:
        return None
    return next((value for value in _values_at(resource, path) if isinstance(value, str)), None)


def _tokens(resource: Mapping[str, Any], parameters: Iterable[SearchParameter]) -> Iterator[Token]:
    for parameter in parameters:
        first, *rest = parameter.members
        value = resource.get(first)
        if value is None:
            continue
        name, keys_of = parameter.name, _KEYS_OF[parameter.element]
        for one in _values_at(value, tuple(rest)) if rest or isinstance(value, list) else (value,):
            for system, code in keys_of(one):
                yield name, system, code


# The (system, value) pairs of one element, by its type; none for a value that is not of that type.


def _identifier_keys(value: object) -> list[tuple[str, str]]:
    return _pair(value, "value") if isinstance(value, Mapping) else []


def _concept_keys(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return []
    # Questionnaire.code is a Coding itself; everywhere else a CodeableConcept holds Codings.
    codings = value.get("coding", value)
    return [
        pair
        for coding in (codings if isinstance(codings, list) else (codings,))
        if isinstance(coding, Mapping)
        for pair in _pair(coding, "code")
    ]


def _text_keys(value: object) -> list[tuple[str, str]]:
    return [("", value)] if isinstance(value, str) else []


def _canonical_keys(value: object) -> list[tuple[str, str]]:
    if isinstance(value, str) and "|" in value:
        # A canonical is found with its version and without.
        return [("", value), ("", value.partition("|")[0])]
    return _text_keys(value)


def _pair(value: Mapping[str, Any], member: str) -> list[tuple[str, str]]:
    return [(value.get("system", ""), value[member])] if isinstance(value.get(member), str) else []


_KEYS_OF: Mapping[Element, Callable[[object], list[tuple[str, str]]]] = {
    Element.IDENTIFIER: _identifier_keys,
    Element.CONCEPT: _concept_keys,
    Element.TEXT: _text_keys,
    Element.URI: _text_keys,
    Element.CANONICAL: _canonical_keys,
}


def _values_at(value: object, path: tuple[str, ...]) -> Iterator[object]:
    """Every value at a path; lists on the path are replaced by their members."""
    if isinstance(value, list):
        for member in value:
            yield from _values_at(member, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])
