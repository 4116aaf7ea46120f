"""Reads the entries of a transaction Bundle and resolves the references between them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_pmp.errors import Fault
from fhir_pmp.fhir.serialization.json_reader import safe_member_name
from fhir_pmp.fhir.serialization.rendered_resource import Resource
from fhir_pmp.identifiers import Identifier


@dataclass(frozen=True, slots=True)
class ReferralEntry:
    """One entry of the Bundle as sent."""

    position: int  # from 0
    full_url: str | None
    resource: Resource
    key: str  # unique among the entries of its type, and equal in a repeat with other ids and fullUrls

    @property
    def type(self) -> str:
        """Its resource type."""
        return str(self.resource["resourceType"])

    @property
    def path(self) -> str:
        """The path of its resource, for faults."""
        return f"Bundle.entry[{self.position}].resource"

    @property
    def identifier(self) -> Identifier | None:
        """Its first identifier that has a system and a value."""
        return first_identifier(self.resource)


def read_entries(bundle: Mapping[str, Any]) -> tuple[tuple[ReferralEntry, ...], list[Fault]]:
    """Reads the entries of a valid Bundle, with the faults that make it no referral."""
    faults: list[Fault] = []
    entries: list[ReferralEntry] = []
    count_without_identifier: Counter[str] = Counter()
    for position, entry in enumerate(bundle.get("entry", [])):
        path, resource = f"Bundle.entry[{position}]", entry.get("resource")
        if resource is None:
            faults.append(Fault(f"{path}.resource", "is missing"))
            continue
        faults += _request_faults(entry.get("request", {}), resource["resourceType"], path)
        entries.append(
            ReferralEntry(position, entry.get("fullUrl"), resource, _key(resource, count_without_identifier))
        )
    faults += _duplicate_faults(entries)
    return tuple(entries), faults


def first_identifier(resource: Mapping[str, Any]) -> Identifier | None:
    """Returns the first identifier of a resource that has a system and a value."""
    written = resource.get("identifier", [])
    for one in written if isinstance(written, list) else [written]:
        if "system" in one and "value" in one:
            return Identifier(one["system"], one["value"])
    return None


def positions_by_reference(entries: Sequence[ReferralEntry]) -> dict[str, int]:
    """Maps the references to an entry, its fullUrl or `Type/id`, to its position."""
    known: dict[str, int] = {}
    for entry in entries:
        if entry.full_url is not None:
            known[entry.full_url] = entry.position
            # A relative reference is relative to the fullUrl's server: compare the last two segments of the path.
            steps = entry.full_url.split("/")
            if len(steps) > 2 and steps[-2] == entry.type:
                known[f"{entry.type}/{steps[-1]}"] = entry.position
        if "id" in entry.resource:
            known.setdefault(f"{entry.type}/{entry.resource['id']}", entry.position)
    return known


def reference_faults(entries: Sequence[ReferralEntry], own_references: Collection[str]) -> Iterator[Fault]:
    """Yields a fault for each reference that is no entry, ours, absolute or contained."""
    known = positions_by_reference(entries)
    for entry in entries:
        for path, reference in _references(entry.resource, entry.path):
            is_external = reference.startswith(("#", "http://", "https://"))
            if reference not in known and reference not in own_references and not is_external:
                yield Fault(path, "refers to what the Bundle does not hold")


def _references(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            at = f"{path}.{safe_member_name(name)}"
            if name == "reference" and isinstance(member, str):
                yield at, member
            else:
                yield from _references(member, at)
    elif isinstance(value, list):
        for at_position, member in enumerate(value):
            yield from _references(member, f"{path}[{at_position}]")


def _request_faults(request: Mapping[str, Any], kind: str, path: str) -> Iterator[Fault]:
    if request.get("method") != "POST":
        yield Fault(f"{path}.request.method", "is not POST: a referral creates, and changes nothing")
    elif request.get("url") != kind:
        yield Fault(f"{path}.request.url", f"is not {kind}, the type of the entry's resource")


def _key(resource: Resource, count_without_identifier: Counter[str]) -> str:
    identifier = first_identifier(resource)
    if identifier is not None:
        return f"{identifier.system}|{identifier.value}"
    count_without_identifier[resource["resourceType"]] += 1
    return str(count_without_identifier[resource["resourceType"]])


def _duplicate_faults(entries: Sequence[ReferralEntry]) -> Iterator[Fault]:
    seen_urls: set[str] = set()
    seen_keys: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.full_url in seen_urls:
            yield Fault(f"Bundle.entry[{entry.position}].fullUrl", "is that of another entry")
        if (entry.type, entry.key) in seen_keys:
            yield Fault(f"{entry.path}.identifier", f"is that of another {entry.type} in the Bundle")
        seen_keys.add((entry.type, entry.key))
        if entry.full_url is not None:
            seen_urls.add(entry.full_url)
