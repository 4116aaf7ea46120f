"""The GP cancels a referral by PUT of its Task, before the programme has begun."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_pmp.errors import NotAllowed
from fhir_pmp.fhir.task import only_status_differs
from fhir_pmp.identifiers import ResourceId
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import By, Event, TaskStatus, move
from fhir_pmp.publishing.care import publish_care, read_published
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.clients import Client
from fhir_pmp.store.errors import ChangedMeanwhile, NotStored
from fhir_pmp.store.published import PublishedVersion
from fhir_pmp.store.readers import Reader


class OnlyCancelling(NotAllowed):
    """A practice changes nothing of a Task but its status, and that to cancelled."""


def cancel_referral(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    client: Client,
    task: ResourceId,
    sent: Mapping[str, Any],
    if_match: int,
    now: datetime,
) -> PublishedVersion:
    """The Task as it stands after the cancellation; the same request again finds it cancelled.

    Raises NotStored (another's is told the same), ChangedMeanwhile, OnlyCancelling, MoveNotListed.
    """
    reader = Reader.practice(client.id)
    referral = books.referrals.find_by_task(task)
    current = books.published.find(reader, "Task", task)
    if referral is None or referral.client != client.id or current is None:
        raise NotStored("no such Task", field="Task")
    standing = read_published(current.content)
    asked = sent.get("status")
    if standing["status"] == TaskStatus.CANCELLED and asked == TaskStatus.CANCELLED:
        return current
    if current.version != if_match:
        raise ChangedMeanwhile("If-Match is not the current version", field="If-Match")
    if asked != TaskStatus.CANCELLED or not only_status_differs(standing, sent):
        raise OnlyCancelling(field="Task")
    episode = books.episodes.get(referral.episode)
    after = move(episode.state, Event.CANCEL, By.GP)
    books.episodes.move(episode, after, event=Event.CANCEL, by=f"client:{client.id}", now=now)
    publish_care(books, clinic, publisher, [episode.id], now)
    cancelled = books.published.find(reader, "Task", task)
    assert cancelled is not None  # it was published just now
    return cancelled
