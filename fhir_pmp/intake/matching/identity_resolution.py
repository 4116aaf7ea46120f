"""Resolves a doubtful record by a clinician's decision: known person or new one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.fhir.administration.patient import mark_replaced
from fhir_pmp.fhir.referral.relay import relayed_meta, repoint_references
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, render
from fhir_pmp.identifiers import PersonId, ReferralId
from fhir_pmp.intake.clinician_questions import WHO_IS_THIS
from fhir_pmp.intake.episode.episode_publication import publish_episode_record
from fhir_pmp.intake.matching.person_match import find_accepted_referral_episode
from fhir_pmp.pathway.episode_states import EpisodeEvent, move
from fhir_pmp.pathway.facts import ENDED, Episode, EpisodeState
from fhir_pmp.publishing.episode_resources import read_published
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.store.errors import ChangedMeanwhile
from fhir_pmp.store.versions.published_versions import PublishedVersion
from fhir_pmp.store.versions.read_scope import Reader


class IdentityDecision(StrEnum):
    """The two decisions about a doubtful record."""

    SAME_PERSON = "the same person"
    ANOTHER_PERSON = "another person"


class NotAnIdentityQuestion(NotAllowed):
    """That work item does not ask who somebody is. The clinician looks at the worklist again."""


class OtherPersonInDoubt(NotAllowed):
    """Who the other record is has not been decided itself. The clinician decides that first."""


class PersonNotChosen(NotUnderstood):
    """The same person as whom is not said, or not one of those the work item names. The clinician chooses one."""


def resolve_identity(
    uow: UnitOfWork,
    context: PublishingContext,
    work_item: int,
    decision: IdentityDecision,
    *,
    by: str,
    now: datetime,
    same_as: PersonId | None = None,
) -> Episode:
    """Closes a `who_is_this` work item and removes the doubt; returns the resulting episode.

    SAME_PERSON: everything of the doubtful record moves to the known person, and its published resources get new
    versions. An enrolment continues that person's accepted referral, if there is one. `same_as` names the known
    person if the item names several. ANOTHER_PERSON: the record stays a separate person. In both cases the
    resources that were not published because of the doubt are published now, as consent allows. `by` is the
    account, as the audit names it.

    Raises NotStored, NotAnIdentityQuestion, ChangedMeanwhile (already decided), PersonNotChosen, OtherPersonInDoubt,
    ReferralNotAccepted (accept the person's referral first). Runs in the transaction of `uow` (`Store.begin`).
    """
    item = uow.work_items.get(work_item)
    if item.kind != WHO_IS_THIS or item.episode is None:
        raise NotAnIdentityQuestion(field="work item")
    if item.closed_at is not None:
        raise ChangedMeanwhile("it was decided before", field="work item")
    episode = uow.episodes.get(item.episode)
    if decision is IdentityDecision.SAME_PERSON:
        survivor = _surviving_person(uow, item, same_as)
        episode_to_continue = _find_episode_to_continue(uow, item, episode, survivor)
        episode = _merge_records(uow, context.publisher, episode, survivor, by, now)
        if episode_to_continue is not None:
            episode = _continue_episode(uow, episode, episode_to_continue, by, now)
    if episode.doubtful:
        episode = uow.episodes.set_doubtful(episode, False, by=by, now=now, reason=decision.value)
    uow.work_items.close(item.id, by=by, how=decision.value, now=now)
    publish_episode_record(uow, context, episode, now)
    return episode


def _surviving_person(uow: UnitOfWork, item: WorkItem, same_as: PersonId | None) -> PersonId:
    """The chosen person; if that record was merged since, the record that was kept."""
    named = [PersonId(other) for other in item.details.get("others", ())]
    if same_as is None and len(named) == 1:
        same_as = named[0]
    if same_as is None or same_as not in named:
        raise PersonNotChosen(field="same_as")
    survivor = uow.people.same_as(same_as) or same_as
    if survivor != item.person and any(episode.doubtful for episode in uow.episodes.of_person(survivor)):
        raise OtherPersonInDoubt(field="same_as")
    return survivor


def _merge_records(
    uow: UnitOfWork, publisher: Publisher, episode: Episode, survivor: PersonId, by: str, now: datetime
) -> Episode:
    duplicate = episode.person
    if duplicate == survivor:
        return episode
    published = uow.published.of_person(Reader.internal(), duplicate)
    # Before the episodes move: without episodes the duplicate is shared with no reader.
    publisher.publish(
        uow, [_replaced_patient(version, survivor) for version in published if _is_patient(version)], now=now
    )
    for one in uow.episodes.of_person(duplicate):
        moved = uow.episodes.repoint(one, survivor, by=by, now=now, reason=IdentityDecision.SAME_PERSON.value)
        uow.referrals.repoint(one.id, survivor)
        episode = moved if one.id == episode.id else episode
    uow.people.mark_duplicate(duplicate, survivor)
    uow.work_items.repoint(duplicate, survivor)
    publisher.publish(uow, _repointed_resources(published, duplicate, survivor), now=now)
    publisher.reassign_documents(uow, duplicate, survivor, now=now)
    return episode


def _find_episode_to_continue(
    uow: UnitOfWork, item: WorkItem, episode: Episode, survivor: PersonId
) -> Episode | None:
    """The accepted referral's episode that this enrolment continues, as it would have without doubt."""
    if not episode.doubtful or episode.referral is not None or uow.letters.list_signed(episode.id):
        return None
    named = item.details.get("referral")
    if named is None:
        return find_accepted_referral_episode(uow.episodes.of_person(survivor))
    return find_accepted_referral_episode([uow.episodes.get(uow.referrals.get(ReferralId(named)).episode)])


def _is_patient(version: PublishedVersion) -> bool:
    return version.type == "Patient"


def _replaced_patient(version: PublishedVersion, survivor: PersonId) -> RenderedResource:
    content = read_published(version.content)
    return render(
        mark_replaced(content, survivor),
        sharing=version.sharing,
        person=version.person,
        episode=version.episode,
        owner=version.owner,
        extra_meta=relayed_meta(content),
    )


def _repointed_resources(
    published: Sequence[PublishedVersion], duplicate: PersonId, survivor: PersonId
) -> list[RenderedResource]:
    """The duplicate's other published resources, referring to the known person; documents excluded."""
    resources = []
    for version in published:
        if version.type in ("Patient", "Bundle"):
            continue
        content = read_published(version.content)
        resources.append(
            render(
                repoint_references(content, {f"Patient/{duplicate}": f"Patient/{survivor}"}),
                sharing=version.sharing,
                person=survivor,
                episode=version.episode,
                owner=version.owner,
                extra_meta=relayed_meta(content),
            )
        )
    return resources


def _continue_episode(
    uow: UnitOfWork, enrolled: Episode, referred: Episode, by: str, now: datetime
) -> Episode:
    """Merges the enrolment, of which nothing is published yet, into the referred episode."""
    uow.episodes.merge(enrolled, referred)
    current = referred
    for event in _events_to(enrolled.state):
        reason = enrolled.end_reason if event in _ENDING_EVENTS.values() else None
        current = uow.episodes.move(
            current, move(current.state, event), event=event, by=by, now=now, reason=reason
        )
    merged = replace(
        current,
        source=enrolled.source,
        enrolment=enrolled.enrolment,
        enrolled_on=enrolled.enrolled_on,
        started_on=enrolled.started_on,
        ended_on=enrolled.ended_on,
        end_reason=enrolled.end_reason,
        lessons=enrolled.lessons,
    )
    current = uow.episodes.update(merged, now=now)
    if enrolled.share_with_ehr != current.share_with_ehr:
        current = uow.episodes.set_consent(current, enrolled.share_with_ehr, by=by, now=now)
    return current


_ENDING_EVENTS = {
    EpisodeState.FINISHED: EpisodeEvent.FINISH,
    EpisodeState.STOPPED: EpisodeEvent.STOP,
    EpisodeState.NEVER_STARTED: EpisodeEvent.NEVER_START,
}


def _events_to(state: EpisodeState) -> list[EpisodeEvent]:
    """The events that move an accepted episode to the state of the enrolment."""
    events = [EpisodeEvent.ENROL]
    if state in (EpisodeState.COMMENCED, EpisodeState.FINISHED, EpisodeState.STOPPED):
        events.append(EpisodeEvent.COMMENCE)
    return events + ([_ENDING_EVENTS[state]] if state in ENDED else [])
