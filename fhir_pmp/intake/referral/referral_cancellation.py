"""Cancels a referral by PUT of its Task, before the programme has begun."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_pmp.errors import NotAllowed
from fhir_pmp.fhir.referral.task import only_status_differs
from fhir_pmp.identifiers import ResourceId
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent, TaskStatus, move
from fhir_pmp.publishing.episode_resources import publish_episodes, read_published
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.access.clients import Client
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.versions.published_versions import PublishedVersion
from fhir_pmp.store.versions.read_scope import Reader


class OnlyCancellationAllowed(NotAllowed):
    """A practice changes nothing of a Task but its status, and that to cancelled."""


def cancel_referral(
    uow: UnitOfWork,
    context: PublishingContext,
    client: Client,
    task: ResourceId,
    sent: Mapping[str, Any],
    if_match: int,
    now: datetime,
) -> PublishedVersion:
    """Cancels the referral and returns the Task; a repeat returns the cancelled Task.

    Raises NotStored (also for another practice's Task), ChangedMeanwhile, OnlyCancellationAllowed, MoveNotListed.
    """
    reader = Reader.practice(client.id)
    referral = uow.referrals.find_by_task(task)
    current = uow.published.find(reader, "Task", task)
    if referral is None or referral.client != client.id or current is None:
        raise NotStored("no such Task", field="Task")
    current_task = read_published(current.content)
    requested_status = sent.get("status")
    if current_task["status"] == TaskStatus.CANCELLED and requested_status == TaskStatus.CANCELLED:
        return current
    if current.version != if_match:
        raise ChangedMeanwhile("If-Match is not the current version", field="If-Match")
    if requested_status != TaskStatus.CANCELLED or not only_status_differs(current_task, sent):
        raise OnlyCancellationAllowed(field="Task")
    episode = uow.episodes.get(referral.episode)
    after = move(episode.state, EpisodeEvent.CANCEL, Actor.GP)
    uow.episodes.move(episode, after, event=EpisodeEvent.CANCEL, by=f"client:{client.id}", now=now)
    publish_episodes(uow, context, [episode.id], now)
    cancelled = uow.published.find(reader, "Task", task)
    assert cancelled is not None  # it was published just now
    return cancelled
