"""Verifies that a server-assigned id still refers to our resource.

A server that was emptied assigns the same ids again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_pmp.ehr.config.content import read_content
from fhir_pmp.ehr.exchange.reads import body_of
from fhir_pmp.ehr.exchange.writes import classify_response
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import PAUSES, TRANSIENT, ClassifiedResponse, HttpResponseClass
from fhir_pmp.identifiers import DestinationId, Identifier
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.remote_state.remote_ids import ASSIGNED_BY_SERVER
from fhir_pmp.store.versions.read_scope import Reader

ResourceKey = tuple[str, str]
"""What a resource is recognised by: an identifier's system and value, or the url and version of a definition."""


@dataclass(frozen=True, slots=True)
class RemoteCopy:
    """One of ours that the server has named."""

    reference: str  # our `Type/id`
    remote_reference: str  # the destination's
    etag: str | None  # of the version last known to stand there
    keys: frozenset[ResourceKey]  # of every version of ours

    def is_same_resource(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource bears a mark of ours."""
        return not self.keys.isdisjoint(_resource_keys(resource))


def load_remote_copies(
    uow: UnitOfWork, destination: DestinationId, references: Iterable[str]
) -> list[RemoteCopy]:
    """Those of these `Type/id` of ours that stand under an id of the server's."""
    links = uow.remote_ids.find_many(destination, references)
    named = {ours: link.remote_reference for ours, link in links.items() if link.how == ASSIGNED_BY_SERVER}
    held = uow.remote_versions.find_many(destination, named)
    return [
        RemoteCopy(ours, theirs, held[ours].etag if ours in held else None, _keys_of_ours(uow, ours))
        for ours, theirs in named.items()
    ]


def check_owner(client: EhrClient, one: RemoteCopy, now: datetime) -> ClassifiedResponse:
    """Checks whether the resource at a remote id is ours.

    DONE: it is ours. GONE: ours was deleted. NOT_THERE: there is and was none, or it is another's. Any other class: unknown.
    Raises what `EhrClient.ask` raises.
    """
    classified, resource = _read(client, one.remote_reference, now)
    if classified.response_class is HttpResponseClass.GONE:
        return check_owner_of_deleted(client, one, now)
    if classified.response_class is not HttpResponseClass.DONE or one.is_same_resource(resource):
        return classified
    return check_owner_of_known_version(client, one, now)


def check_owner_of_known_version(client: EhrClient, one: RemoteCopy, now: datetime) -> ClassifiedResponse:
    """Checks the version that we know, if the current one does not bear our identifier.

    An edit may have removed the identifier: then the resource is ours, edited. If the server keeps no former versions, the
    current one decides.
    """
    gone = ClassifiedResponse(HttpResponseClass.NOT_FOUND, 404)
    if one.etag is None:
        return gone
    classified, resource = _read(client, f"{one.remote_reference}/_history/{one.etag}", now)
    if classified.response_class in TRANSIENT | PAUSES or one.is_same_resource(resource):
        return classified
    return gone


def check_owner_of_deleted(client: EhrClient, one: RemoteCopy, now: datetime) -> ClassifiedResponse:
    """Checks whether a deleted resource was ours.

    GONE: ours, as far as the server tells. NOT_THERE: another's, under an id assigned again. Any other class: unknown.
    """
    gone = ClassifiedResponse(HttpResponseClass.GONE, 410)
    if one.etag is None:
        return gone
    classified, resource = _read(client, f"{one.remote_reference}/_history/{one.etag}", now)
    if classified.response_class in TRANSIENT | PAUSES:
        return classified
    was_anothers = classified.response_class is HttpResponseClass.DONE and not one.is_same_resource(resource)
    return ClassifiedResponse(HttpResponseClass.NOT_FOUND, 404) if was_anothers else gone


def forget_remote_ids(
    uow: UnitOfWork, destination: DestinationId, references: Iterable[str], *, now: datetime
) -> list[str]:
    """Deletes remote ids that no longer refer to ours, and requeues their resources.

    It is then searched for by its identifier.
    """
    lost_references = sorted(set(references))
    for reference in lost_references:
        forget_remote_id(uow, destination, reference, now=now)
    return uow.reconciliation.requeue(
        destination, lost_references, why="sent again: it was missing there", now=now
    )


def forget_remote_id(uow: UnitOfWork, destination: DestinationId, reference: str, *, now: datetime) -> None:
    """One of ours stands no more where the server had put it."""
    uow.remote_ids.unlink(destination, reference)
    uow.remote_versions.forget(destination, reference, now=now)


def find_ours(
    uow: UnitOfWork, destination: DestinationId, at: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Returns our `Type/id` for each of these remote resources that is ours.

    A stored remote id alone is no proof.
    """
    found = uow.reconciliation.find_local_references(destination, at)
    named = [
        link for link in uow.remote_ids.find_by_remote(destination, at) if link.how == ASSIGNED_BY_SERVER
    ]
    for link in named:
        found.pop(link.remote_reference, None)
    for link in named:
        if not _keys_of_ours(uow, link.local_reference).isdisjoint(_resource_keys(at[link.remote_reference])):
            found[link.remote_reference] = link.local_reference
    return found


def _read(
    client: EhrClient, remote_reference: str, now: datetime
) -> tuple[ClassifiedResponse, dict[str, Any]]:
    answer = client.ask("GET", remote_reference, headers={"Cache-Control": "no-cache"})
    classified = classify_response(answer, now)
    return classified, body_of(answer) if classified.response_class is HttpResponseClass.DONE else {}


def _keys_of_ours(uow: UnitOfWork, reference: str) -> frozenset[ResourceKey]:
    kind, _, id_ = reference.partition("/")
    versions = uow.published.history(Reader.internal(), kind, id_)
    return frozenset(mark for version in versions for mark in _resource_keys(read_content(version.content)))


def _resource_keys(resource: Mapping[str, Any]) -> set[ResourceKey]:
    borne = resource.get("identifier")
    found = {
        (one["system"], one["value"])
        for one in (borne if isinstance(borne, list) else [borne])
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str)
    }
    url, version = resource.get("url"), resource.get("version")
    return found | {(url, version)} if isinstance(url, str) and isinstance(version, str) else found


def identifiers_of(resource: Mapping[str, Any]) -> list[Identifier]:
    """The business identifiers with a system and a value."""
    found = resource.get("identifier")
    return [
        Identifier(i["system"], i["value"])
        for i in (found if isinstance(found, list) else [found])
        if isinstance(i, dict) and isinstance(i.get("system"), str) and isinstance(i.get("value"), str)
    ]
