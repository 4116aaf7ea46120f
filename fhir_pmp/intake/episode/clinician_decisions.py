"""Records a clinician's decisions: accept a referral, end an episode, acknowledge a flag."""

from datetime import datetime

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.measurement.flag import build_flag
from fhir_pmp.identifiers import EpisodeId, FlagId
from fhir_pmp.intake.episode.episode_ending import end_episode
from fhir_pmp.pathway.episode_states import ENDINGS, Actor, EpisodeEvent, move
from fhir_pmp.pathway.facts import Episode, Flag
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork


class ActionMissing(NotUnderstood):
    """An acknowledgement says what was done. The clinician writes it."""


class NotAnEnding(NotUnderstood):
    """An episode ends by finish, stop or never_start. The clinician chooses one of them."""


def accept_referral(
    uow: UnitOfWork,
    context: PublishingContext,
    episode: EpisodeId,
    *,
    by: str,
    now: datetime,
) -> Episode:
    """Accepts a referred episode, updates the GP's Task and discards a draft decline letter.

    Raises NotStored, MoveNotListed.
    """
    referred = uow.episodes.get(episode)
    after = move(referred.state, EpisodeEvent.ACCEPT, Actor.CLINICIAN)
    accepted = uow.episodes.move(referred, after, event=EpisodeEvent.ACCEPT, by=by, now=now)
    for letter in uow.letters.of_episode(episode, LetterKind.DECLINE):
        uow.letters.discard(letter.id)  # always a draft: signing it would have declined the referral
    publish_episodes(uow, context, [episode], now)
    return accepted


def end_episode_by_clinician(
    uow: UnitOfWork,
    context: PublishingContext,
    episode: EpisodeId,
    event: EpisodeEvent,
    *,
    reason: str | None,
    by: str,
    now: datetime,
) -> Episode:
    """Ends an episode; its discharge letter becomes due. Raises NotStored, MoveNotListed, NotAnEnding."""
    if event not in ENDINGS:
        raise NotAnEnding(field="event")
    ending = uow.episodes.get(episode)
    ended = end_episode(
        uow,
        ending,
        event,
        Actor.CLINICIAN,
        by,
        now,
        on=now.astimezone(context.clinic.zone).date(),
        reason=reason,
    )
    publish_episodes(uow, context, [episode], now)
    return ended


def acknowledge_flag(
    uow: UnitOfWork,
    context: PublishingContext,
    flag: FlagId,
    *,
    by: str,
    action: str,
    now: datetime,
) -> Flag:
    """Acknowledges a flag with the action taken; only this makes it inactive.

    Raises NotStored, AlreadyAcknowledged, ActionMissing.
    """
    if not action.strip():
        raise ActionMissing(field="action")
    acknowledged = uow.flags.acknowledge(flag, by=by, action=action, now=now)
    if not uow.episodes.get(acknowledged.episode).doubtful:
        context.publisher.publish(uow, [build_flag(context.clinic, acknowledged)], now=now)
    return acknowledged
