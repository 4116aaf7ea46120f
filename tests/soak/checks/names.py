"""Which of our resources something at the EHR is, and whether two contents say the same whatever each calls its targets."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from tests.soak.history import Committed, Content, Emptied, History, Stood

Key = tuple[str, str, str]
"""Type, system and value of a business identifier; a definition's url and version."""
Place = tuple[int, str]
"""How often the EHR had been emptied, and `Type/id` there."""

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def keys_of(resource: Content) -> Iterator[Key]:
    """By what a resource is known outside of any server."""
    kind = str(resource["resourceType"])
    found = resource.get("identifier")
    for identifier in found if isinstance(found, list) else [found]:
        if isinstance(identifier, Mapping) and "system" in identifier and "value" in identifier:
            yield kind, identifier["system"], identifier["value"]
    if "url" in resource and "version" in resource:
        yield kind, resource["url"], resource["version"]


def references_of(value: Any) -> Iterator[str]:
    """Every `Type/id` that it refers to."""
    if isinstance(value, list):
        for member in value:
            yield from references_of(member)
    elif isinstance(value, Mapping):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for member in value.values():
            yield from references_of(member)


@dataclass(frozen=True)
class Names:
    """What the history says of who is who."""

    history: History

    @cached_property
    def versions(self) -> dict[str, list[Committed]]:
        """Our versions by `Type/id`, oldest first."""
        found: dict[str, list[Committed]] = {}
        for one in self.history.of(Committed):
            found.setdefault(one.reference, []).append(one)
        return found

    @cached_property
    def _by_key(self) -> dict[Key, str]:
        return {
            key: ref for ref, all_of in self.versions.items() for v in all_of for key in keys_of(v.content)
        }

    @cached_property
    def _emptied(self) -> list[int]:
        return [emptied.at for emptied in self.history.of(Emptied)]

    def place(self, place: str, at: int) -> Place:
        """A place as it is at one time: once the EHR was emptied, the same name may be another's."""
        return bisect(self._emptied, at), place

    @cached_property
    def _by_place(self) -> dict[Place, str]:
        found: dict[Place, str] = {}
        for stood in self.history.of(Stood):
            place = self.place(stood.place, stood.at)
            if place not in found and stood.content is not None:
                ours = self._known(stood)
                if ours is not None:
                    found[place] = ours
        return found

    def _known(self, stood: Stood) -> str | None:
        if stood.place in self.versions:
            return stood.place
        assert stood.content is not None
        return next((self._by_key[key] for key in keys_of(stood.content) if key in self._by_key), None)

    def ours(self, place: str, at: int) -> str | None:
        """Our `Type/id` of what stands under a place at a time; None for what is not ours."""
        return self._by_place.get(self.place(place, at))

    @cached_property
    def _said(self) -> dict[int, bytes]:
        return {}

    def said(self, one: Committed | Stood) -> bytes:
        """What it says, in one form for both sides: without id, references by our names."""
        known = self._said.get(id(one))
        if known is None:
            assert one.content is not None
            rest = {name: value for name, value in one.content.items() if name != "id"}
            known = self._said[id(one)] = _ENCODER.encode(self._told(rest, one.at))
        return known

    def _told(self, value: Any, at: int) -> Any:
        if isinstance(value, list):
            return [self._told(member, at) for member in value]
        if not isinstance(value, Mapping):
            return value
        name = self._target(value, at)
        if name is None:
            return {n: self._told(member, at) for n, member in value.items()}
        rest = {
            n: self._told(m, at) for n, m in value.items() if n not in ("reference", "type", "identifier")
        }
        return {"reference": name, **rest}

    def _target(self, value: Mapping[str, Any], at: int) -> str | None:
        reference = value.get("reference")
        if isinstance(reference, str):
            return reference if reference in self.versions else self.ours(reference, at)
        identifier, kind = value.get("identifier"), value.get("type")
        if isinstance(identifier, Mapping) and isinstance(kind, str):
            return self._by_key.get((kind, str(identifier.get("system")), str(identifier.get("value"))))
        return None
