"""Which of our resources something at the EHR is, and whether two contents say the same whatever each calls its targets."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from tests.soak.history import Content, EhrEmptied, History, RemoteVersionStored, VersionCommitted

Key = tuple[str, str, str]
"""Type, system and value of a business identifier; a definition's url and version."""
DatedReference = tuple[int, str]
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
class ResourceMatcher:
    """What the history says of who is who."""

    history: History

    @cached_property
    def versions(self) -> dict[str, list[VersionCommitted]]:
        """Our versions by `Type/id`, oldest first."""
        found: dict[str, list[VersionCommitted]] = {}
        for one in self.history.events_of(VersionCommitted):
            found.setdefault(one.reference, []).append(one)
        return found

    @cached_property
    def _by_key(self) -> dict[Key, str]:
        return {
            key: ref for ref, all_of in self.versions.items() for v in all_of for key in keys_of(v.content)
        }

    @cached_property
    def _emptied(self) -> list[int]:
        return [emptied.at for emptied in self.history.events_of(EhrEmptied)]

    def remote_reference(self, remote_reference: str, at: int) -> DatedReference:
        """A place as it is at one time: once the EHR was emptied, the same name may be another's."""
        return bisect(self._emptied, at), remote_reference

    @cached_property
    def _by_remote_reference(self) -> dict[DatedReference, str]:
        found: dict[DatedReference, str] = {}
        for stood in self.history.events_of(RemoteVersionStored):
            remote_reference = self.remote_reference(stood.remote_reference, stood.at)
            if remote_reference not in found and stood.content is not None:
                our_reference = self._match_ours(stood)
                if our_reference is not None:
                    found[remote_reference] = our_reference
        return found

    def _match_ours(self, stood: RemoteVersionStored) -> str | None:
        if stood.remote_reference in self.versions:
            return stood.remote_reference
        assert stood.content is not None
        return next((self._by_key[key] for key in keys_of(stood.content) if key in self._by_key), None)

    def our_reference(self, remote_reference: str, at: int) -> str | None:
        """Our `Type/id` of what stands under a place at a time; None for what is not ours."""
        return self._by_remote_reference.get(self.remote_reference(remote_reference, at))

    @cached_property
    def _normalised_by_event(self) -> dict[int, bytes]:
        return {}

    def normalised(self, one: VersionCommitted | RemoteVersionStored) -> bytes:
        """What it says, in one form for both sides: without id, references by our names."""
        known = self._normalised_by_event.get(id(one))
        if known is None:
            assert one.content is not None
            rest = {name: value for name, value in one.content.items() if name != "id"}
            known = self._normalised_by_event[id(one)] = _ENCODER.encode(self._normalise(rest, one.at))
        return known

    def _normalise(self, value: Any, at: int) -> Any:
        if isinstance(value, list):
            return [self._normalise(member, at) for member in value]
        if not isinstance(value, Mapping):
            return value
        name = self._resolve_target(value, at)
        if name is None:
            return {n: self._normalise(member, at) for n, member in value.items()}
        rest = {
            n: self._normalise(m, at)
            for n, m in value.items()
            if n not in ("reference", "type", "identifier")
        }
        return {"reference": name, **rest}

    def _resolve_target(self, value: Mapping[str, Any], at: int) -> str | None:
        reference = value.get("reference")
        if isinstance(reference, str):
            return reference if reference in self.versions else self.our_reference(reference, at)
        identifier, kind = value.get("identifier"), value.get("type")
        if isinstance(identifier, Mapping) and isinstance(kind, str):
            return self._by_key.get((kind, str(identifier.get("system")), str(identifier.get("value"))))
        return None
