"""What somebody else wrote as FHIR, as lines a person can read: nothing is left out but narrative and attached bytes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_LEFT_OUT = frozenset({"resourceType", "id", "meta", "fullUrl"})
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Said:
    """One line: where it stands and what it says."""

    where: str  # "reason code, text"
    what: str


def type_name(kind: str) -> str:
    """A resource type as words: "Medication statement"."""
    return _words(kind).capitalize()


def outline(resource: Mapping[str, Any]) -> list[Said]:
    """The lines of a resource, in its order. Foreign narrative is not shown; attached bytes are named."""
    return list(_lines(resource, ""))


def _lines(value: Any, where: str) -> Iterator[Said]:
    if isinstance(value, Mapping):
        told = _told(value)
        if told is not None:
            yield Said(where, told)
            return
        for name, member in value.items():
            if name not in _LEFT_OUT and not (name == "text" and isinstance(member, Mapping)):
                yield from _member(name, member, where)
    elif isinstance(value, list):
        for position, member in enumerate(value, start=1):
            yield from _lines(member, where if len(value) == 1 else f"{where} {position}")
    else:
        yield Said(where, _plain(value))


def _member(name: str, member: Any, where: str) -> Iterator[Said]:
    here = f"{where}, {_words(name)}" if where else _words(name).capitalize()
    if name == "data" and isinstance(member, str):
        yield Said(here, "attached")
    elif name == "coding":
        yield from _lines(member, f"{where}, code")
    else:
        yield from _lines(member, here)


def _told(value: Mapping[str, Any]) -> str | None:
    """The small datatypes on one line; None for anything else."""
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
