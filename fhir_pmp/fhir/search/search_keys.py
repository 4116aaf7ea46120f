"""Reads the search keys of a resource, its tokens and its clinical date, by the table of parameters."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_pmp.fhir.search.parameters import SEARCH_TABLE, Element, SearchParameter, SearchTable

Token = tuple[str, str, str]
"""One search key: parameter name (`code`, `identifier`, `status`, ...), system ("" where there is none), value."""


def tokens_of(resource: Mapping[str, Any], table: SearchTable = SEARCH_TABLE) -> tuple[Token, ...]:
    """The search tokens of a resource, each once, in the order of the table."""
    return tuple(dict.fromkeys(_tokens(resource, table.stored(resource["resourceType"]))))


def date_of(resource: Mapping[str, Any], table: SearchTable = SEARCH_TABLE) -> str | None:
    """The clinical date of a resource as it is written, or None for a resource without one."""
    path = table.date_path(resource["resourceType"])
    if path is None:
        return None
    return next((value for value in _values_at(resource, path) if isinstance(value, str)), None)


def _tokens(resource: Mapping[str, Any], parameters: Iterable[SearchParameter]) -> Iterator[Token]:
    for parameter in parameters:
        for value in _values_at(resource, parameter.members):
            for system, code in _keys_of(parameter.element, value):
                yield parameter.name, system, code


def _keys_of(element: Element, value: object) -> Iterator[tuple[str, str]]:
    """The (system, value) pairs of one element; none for a value that is not of the element's type."""
    if isinstance(value, Mapping):
        if element is Element.IDENTIFIER:
            yield from _system_and(value, "value")
        elif element is Element.CONCEPT:
            # Questionnaire.code is a Coding itself; everywhere else a CodeableConcept holds Codings.
            for coding in _values_at(value, ("coding",)) if "coding" in value else (value,):
                if isinstance(coding, Mapping):
                    yield from _system_and(coding, "code")
    elif isinstance(value, str):
        if element is Element.CANONICAL and "|" in value:
            # A canonical is found with its version and without.
            yield "", value
            yield "", value.partition("|")[0]
        elif element in (Element.TEXT, Element.URI, Element.CANONICAL):
            yield "", value


def _system_and(value: Mapping[str, Any], member: str) -> Iterator[tuple[str, str]]:
    if isinstance(value.get(member), str):
        yield value.get("system", ""), value[member]


def _values_at(value: object, path: tuple[str, ...]) -> Iterator[object]:
    """Every value at a path; lists on the path are replaced by their members."""
    if isinstance(value, list):
        for member in value:
            yield from _values_at(member, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])
