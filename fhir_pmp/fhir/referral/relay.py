"""Publishes a practice's resources as received; only ids and references to them change."""

from collections.abc import Mapping
from typing import Any

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.identifiers import ClientId, EpisodeId, PersonId, ResourceId
from fhir_pmp.pathway.facts import Sharing

_RELAYED_META = ("profile", "security", "tag")
"""The parts of a sender's meta that describe the content; version, time and source are the server's."""


def relay(
    resource: Mapping[str, Any],
    resource_id: ResourceId,
    *,
    person: PersonId | None,
    episode: EpisodeId | None,
    owner: ClientId,
) -> RenderedResource:
    """Renders a received resource under our id, readable by the practice that sent it.

    `resource` has its references pointed to our ids. Its profiles, security labels and tags stay, so that no
    restricting label is lost.
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
    """Returns the kept members of `meta` as JSON bytes, each after a comma."""
    meta = resource.get("meta", {})
    kept = {name: meta[name] for name in _RELAYED_META if name in meta}
    return b"," + write_canonical(kept)[1:-1] if kept else b""


def repoint_references(resource: Mapping[str, Any], mapping: Mapping[str, str]) -> Resource:
    """Copies a resource with the references in `mapping` replaced by our `Type/id`.

    `mapping` has each fullUrl or `Type/id` as sent.

    Other references, including `#contained`, stay as written.
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
