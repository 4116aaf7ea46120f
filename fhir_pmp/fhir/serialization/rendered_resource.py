"""Renders a resource to canonical bytes without meta, with its references and search keys."""

from collections.abc import Iterable
from typing import Any

import msgspec

from fhir_pmp.fhir.search.search_keys import Token, date_of, tokens_of
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing

Resource = dict[str, Any]
"""A FHIR resource as JSON values, its members in element order; decimals are `Decimal`, never float."""


class RenderedResource(msgspec.Struct, frozen=True):
    """A resource rendered as JSON bytes, ready to be published.

    `head + tail` is the content that is hashed and compared.
    A msgspec struct, because importing makes one for each published resource.
    """

    type: str
    id: ResourceId
    head: bytes  # ends after `"id":"...",`
    tail: bytes  # the rest, closing brace included
    sharing: Sharing
    person: PersonId | None = None
    episode: EpisodeId | None = None
    owner: ClientId | None = None  # the practice client that may read it
    date_text: str | None = None  # the clinical date, as written: the `date` / `authored` search parameter
    tokens: tuple[Token, ...] = ()
    refs: tuple[str, ...] = ()  # "Type/id" of every local resource it refers to, each once
    extra_meta: bytes = (
        b""  # further members of meta, each with a comma in front: profiles and security labels relayed
    )

    @property
    def content(self) -> bytes:
        """The canonical bytes without `meta`; equal facts give equal bytes."""
        return self.head + self.tail

    @property
    def reference(self) -> str:
        """`Type/id`, as other resources refer to it."""
        return f"{self.type}/{self.id}"

    def with_version_meta(self, version: int, last_updated: str) -> bytes:
        """Returns the canonical bytes with `meta.versionId` and `meta.lastUpdated` (a FHIR instant)."""
        stamp = b'"meta":{"versionId":"%d","lastUpdated":"%b"%b},' % (
            version,
            last_updated.encode(),
            self.extra_meta,
        )
        return self.head + stamp + self.tail


def render(
    resource: Resource,
    *,
    sharing: Sharing,
    person: PersonId | None = None,
    episode: EpisodeId | None = None,
    owner: ClientId | None = None,
    extra_meta: bytes = b"",
) -> RenderedResource:
    """Renders a resource to canonical bytes, and reads its references and search keys.

    `meta` is left out: publishing adds it.
    """
    kind, resource_id = resource["resourceType"], ResourceId(resource["id"])
    rest = {key: value for key, value in resource.items() if key not in ("resourceType", "id", "meta")}
    own = f"{kind}/{resource_id}"
    return RenderedResource(
        type=kind,
        id=resource_id,
        head=resource_head(kind, resource_id),
        tail=write_canonical(rest)[1:],
        sharing=sharing,
        person=person,
        episode=episode,
        owner=owner,
        date_text=date_of(resource),
        tokens=tokens_of(resource),
        refs=tuple(ref for ref in dict.fromkeys(local_references(rest)) if ref != own),
        extra_meta=extra_meta,
    )


def resource_head(kind: str, resource_id: str) -> bytes:
    """Returns the first bytes of a resource, up to the position of `meta`."""
    return b'{"resourceType":"%b","id":"%b",' % (kind.encode(), resource_id.encode())


def local_references(value: object) -> list[str]:
    """Every relative `Type/id` reference in the value, in order, including repeats."""
    found: list[str] = []
    _collect_references(value, found)
    return found


def _collect_references(value: object, found: list[str]) -> None:
    members: Iterable[object] = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and is_local(reference):
            found.append(reference)
        members = value.values()
    for member in members:
        if isinstance(member, dict | list):
            _collect_references(member, found)


def is_local(reference: str) -> bool:
    """Whether the reference has the form `Type/id`: not `#contained`, not `urn:`, not a URL."""
    kind, slash, rest = reference.partition("/")
    return (
        bool(slash and rest) and kind.isalpha() and kind[:1].isupper() and "/" not in rest and ":" not in rest
    )
