"""What a resource is found by: its search tokens and its clinical date, read from its content."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Token = tuple[str, str, str]
"""One search key: parameter name (`code`, `identifier`, `status`, ...), system ("" where there is none), value."""

_CODED = ("code", "category", "type")
_PLAIN = ("status", "url", "version", "questionnaire", "gender", "birthDate")
_DATED = {
    "Observation": ("effectiveDateTime",),
    "QuestionnaireResponse": ("authored",),
    "DocumentReference": ("date",),
    "ServiceRequest": ("authoredOn",),
    "Task": ("authoredOn",),
    "Flag": ("period", "start"),
    "EpisodeOfCare": ("period", "start"),
    "Bundle": ("timestamp",),
}


def tokens_of(resource: Mapping[str, Any]) -> tuple[Token, ...]:
    """The search tokens of a resource, each once, in a fixed order."""
    return tuple(dict.fromkeys(_tokens(resource)))


def date_of(resource: Mapping[str, Any]) -> str | None:
    """The clinical date of a resource as it is written, or None for one that has none."""
    found: Any = resource
    for member in _DATED.get(resource["resourceType"], ("",)):
        found = found.get(member) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


def canonical_tokens(name: str, canonical: str) -> tuple[Token, ...]:
    """A canonical is found with its version and without."""
    url, bar, _ = canonical.partition("|")
    return ((name, "", canonical), (name, "", url)) if bar else ((name, "", canonical),)


def _tokens(resource: Mapping[str, Any]) -> Iterator[Token]:
    for identifier in _each(resource.get("identifier")):
        if isinstance(identifier.get("value"), str):
            yield "identifier", identifier.get("system", ""), identifier["value"]
    for name in _CODED:
        for concept in _each(resource.get(name)):
            yield from _concept_tokens(name, concept)
    for name in _PLAIN:
        value = resource.get(name)
        if isinstance(value, str):
            yield from canonical_tokens(name, value) if name == "questionnaire" else ((name, "", value),)


def _concept_tokens(name: str, concept: Mapping[str, Any]) -> Iterator[Token]:
    # Questionnaire.code is a Coding itself, everywhere else a CodeableConcept holds some.
    for coding in _each(concept.get("coding", concept)):
        if isinstance(coding.get("code"), str):
            yield name, coding.get("system", ""), coding["code"]


def _each(value: object) -> Iterable[Mapping[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [member for member in values if isinstance(member, Mapping)]
