"""Publishes the resources of episodes: Patient, EpisodeOfCare, Organization, referral Task."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from fhir_pmp.fhir.administration.episode_of_care import build_episode_of_care
from fhir_pmp.fhir.administration.organization import build_practice
from fhir_pmp.fhir.administration.patient import build_patient
from fhir_pmp.fhir.administration.practitioner import build_practice_practitioner
from fhir_pmp.fhir.referral.task import build_task
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource
from fhir_pmp.identifiers import EpisodeId, ResourceId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import TaskStatus, task_status, task_steps
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Referral, Sharing
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.versions.read_scope import Reader

_NEEDS_REASON = frozenset({TaskStatus.REJECTED, TaskStatus.FAILED})


def publish_episodes(
    uow: UnitOfWork, context: PublishingContext, episodes: Sequence[EpisodeId], now: datetime
) -> None:
    """Publishes the present resources of these episodes; unchanged ones keep their version.

    A doubtful episode publishes no records; its referral resources are published in any case.
    """
    found = uow.episodes.find_many(episodes)
    people = uow.people.find_many(episode.person for episode in found.values())
    referrals = uow.referrals.of_episodes(found)
    referred = uow.referrals.referred_people(people)
    resources: list[RenderedResource] = []
    for episode in found.values():
        if not episode.doubtful:
            person = people[episode.person]
            sharing = Sharing.REFERRAL if person.id in referred else Sharing.RECORD
            resources += _record_resources(context.clinic, episode, person, sharing)
    context.publisher.publish(
        uow, [*_practice_resources(uow, context.clinic, found.values()), *resources], now=now
    )
    for episode in found.values():
        if (referral := referrals.get(episode.id)) is not None:
            _publish_task(uow, context, episode, referral, now)


def find_published_resources(
    uow: UnitOfWork, kind: str, ids: Iterable[ResourceId]
) -> dict[ResourceId, Resource]:
    """Returns the current published versions as JSON values, by id; unpublished ids are absent."""
    wanted = {f"{kind}/{resource_id}": resource_id for resource_id in ids}
    found = uow.published.find_many(Reader.internal(), wanted) if wanted else {}
    return {wanted[reference]: read_published(version.content) for reference, version in found.items()}


def read_published(content: bytes) -> Resource:
    """Parses published bytes as JSON; decimals keep their digits."""
    return read_fhir_json(content, max_bytes=len(content))


def _record_resources(
    clinic: ClinicalContext, episode: Episode, person: Person, sharing: Sharing
) -> list[RenderedResource]:
    resources = [build_episode_of_care(clinic, episode)]
    # A referred person is published as the practice wrote the Patient, with the referral.
    if person.registered_by.startswith("source:"):
        resources.insert(0, build_patient(clinic, person, sharing=sharing))
    return resources


def _practice_resources(
    uow: UnitOfWork, clinic: ClinicalContext, episodes: Iterable[Episode]
) -> list[RenderedResource]:
    """The practices that a source names, each once; without those published by a referral."""
    sharing = Sharing.DEFINITION
    practices = {
        e.practice for e in episodes if e.practice is not None and e.referral is None and not e.doubtful
    }
    resources = [build_practice(practice, sharing=sharing) for practice in practices]
    resources += [
        r for practice in practices for r in build_practice_practitioner(clinic, practice, sharing=sharing)
    ]
    by_reference = {resource.reference: resource for resource in resources}
    current = uow.published.find_many(Reader.internal(), by_reference) if by_reference else {}
    return [
        r
        for reference, r in by_reference.items()
        if reference not in current or current[reference].owner is None
    ]


def _publish_task(
    uow: UnitOfWork, context: PublishingContext, episode: Episode, referral: Referral, now: datetime
) -> None:
    current = find_published_resources(uow, "Task", [referral.task_id]).get(referral.task_id)
    if current is None:
        return
    is_discharged, outputs = _signed_letters(uow, episode)
    before, after = TaskStatus(current["status"]), task_status(episode, is_discharged)
    # Each listed move is a version: an EHR that follows the Task sees no unlisted move.
    for status in task_steps(before, after) or (after,):
        task = build_task(
            context.clinic,
            referral,
            current,
            status=status,
            reason=_reason(episode, status),
            outputs=outputs,
            modified=_modified(current, status, outputs, context.clinic, now),
        )
        context.publisher.publish(uow, [task], now=now)


def _signed_letters(uow: UnitOfWork, episode: Episode) -> tuple[bool, list[ResourceId]]:
    """Whether a letter that completes the Task is signed, and the Task's output documents, oldest first."""
    signed = uow.letters.list_signed(episode.id)
    is_discharged = any(letter.kind.definition.completes_task for letter in signed)
    # Without consent the Task still ends, without the outcome letter; receipt and decline belong to the referral.
    shown = [x for x in signed if episode.share_with_ehr or not x.kind.definition.states_outcomes]
    return is_discharged, [x.document_reference_id for x in shown if x.document_reference_id is not None]


def _reason(episode: Episode, status: TaskStatus) -> str | None:
    if status not in _NEEDS_REASON:
        return None
    if episode.state is EpisodeState.NEVER_STARTED:
        return episode.end_reason or "the person never started the programme"
    return episode.end_reason or "declined; the letter says why"


def _modified(
    current: Resource,
    status: TaskStatus,
    outputs: Sequence[ResourceId],
    clinic: ClinicalContext,
    now: datetime,
) -> str | None:
    """Task.lastModified: now if this version changes the Task, else unchanged, so that a repeat adds none."""
    listed_outputs = [one["valueReference"]["reference"] for one in current.get("output", [])]
    is_unchanged = current["status"] == status.value and listed_outputs == [
        f"DocumentReference/{o}" for o in outputs
    ]
    if is_unchanged:
        kept: str | None = current.get("lastModified")
        return kept
    return now.astimezone(clinic.zone).isoformat(timespec="seconds")
