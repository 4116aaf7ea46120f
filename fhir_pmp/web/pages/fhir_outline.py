"""Shows a FHIR resource from another system as readable lines.

Every element is shown except narrative and the bytes of attachments.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_OMITTED = frozenset({"resourceType", "id", "meta", "fullUrl"})
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class OutlineLine:
    """One line: the path of an element in words, and its value."""

    label: str  # "reason code, text"
    text: str


def type_name(kind: str) -> str:
    """Returns a resource type in words: "Medication statement"."""
    return _words(kind).capitalize()


def build_outline(resource: Mapping[str, Any]) -> list[OutlineLine]:
    """Returns the lines of a resource in document order; attached bytes appear as "attached"."""
    return list(_lines(resource, ""))


def _lines(value: Any, label: str) -> Iterator[OutlineLine]:
    if isinstance(value, Mapping):
        text = _format_datatype(value)
        if text is not None:
            yield OutlineLine(label, text)
            return
        for name, member in value.items():
            if name not in _OMITTED and not (name == "text" and isinstance(member, Mapping)):
                yield from _member(name, member, label)
    elif isinstance(value, list):
        for position, member in enumerate(value, start=1):
            yield from _lines(member, label if len(value) == 1 else f"{label} {position}")
    else:
        yield OutlineLine(label, _plain(value))


def _member(name: str, member: Any, label: str) -> Iterator[OutlineLine]:
    member_label = f"{label}, {_words(name)}" if label else _words(name).capitalize()
    if name == "data" and isinstance(member, str):
        yield OutlineLine(member_label, "attached")
    elif name == "coding":
        yield from _lines(member, f"{label}, code")
    else:
        yield from _lines(member, member_label)


def _format_datatype(value: Mapping[str, Any]) -> str | None:
    """Formats a simple datatype (Coding, Identifier, Reference, Quantity) as one line; None for others."""
    names = set(value)
    if "code" in names and names <= {"system", "code", "display", "version", "userSelected"}:
        code = " ".join(str(value[name]) for name in ("system", "code") if name in value)
        return f"{value['display']} ({code})" if "display" in value else code
    if "value" in names and names <= {"system", "value", "use"} and "system" in names:
        return f"{value['value']} ({value['system']})"
    if "reference" in names and names <= {"reference", "display", "type"}:
        return f"{value['display']} ({value['reference']})" if "display" in value else str(value["reference"])
    if "value" in names and names <= {"value", "unit", "system", "code", "comparator"}:
        unit = value.get("unit", value.get("code", ""))
        return f"{value.get('comparator', '')}{value['value']} {unit}".strip()
    return None


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _words(name: str) -> str:
    return _CAPITAL.sub(" ", name).lower()
