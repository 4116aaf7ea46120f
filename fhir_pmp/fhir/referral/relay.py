"""What a practice sent, published as it was received: only ids change, and references follow them."""

from collections.abc import Mapping
from typing import Any

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing

_RELAYED_META = ("profile", "security", "tag")
"""What a sender's meta says of the content. Version, moment and source are the server's own."""


def relay(
    resource: Mapping[str, Any],
    resource_id: ResourceId,
    *,
    person: PersonId | None,
    episode: EpisodeId | None,
    owner: ClientId,
) -> RenderedResource:
    """A received resource (references re-pointed) under an id of ours, on the referral's side of the house.

    Its profiles, security labels and tags stay. A label that restricts it is never dropped on the way.
    """
    return render(
        {**resource, "id": resource_id},
        sharing=Sharing.REFERRAL,
        person=person,
        episode=episode,
        owner=owner,
        extra_meta=relayed_meta(resource),
    )


def relayed_meta(resource: Mapping[str, Any]) -> bytes:
    """The members of `meta` that go on with the content, each with a comma in front."""
    meta = resource.get("meta", {})
    kept = {name: meta[name] for name in _RELAYED_META if name in meta}
    return b"," + write_canonical(kept)[1:-1] if kept else b""


def repoint_references(resource: Mapping[str, Any], mapping: Mapping[str, str]) -> Resource:
    """A copy in which every reference that `mapping` names (a fullUrl, or `Type/id` as sent) points to `Type/id` of ours.

    Other references, `#contained` ones among them, stay as they were written.
    """
    return {name: _repoint_value(name, value, mapping) for name, value in resource.items()}


def _repoint_value(name: str, value: Any, mapping: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return repoint_references(value, mapping)
    if isinstance(value, list):
        return [_repoint_value(name, member, mapping) for member in value]
    if name == "reference" and isinstance(value, str):
        return mapping.get(value, value)
    return value
