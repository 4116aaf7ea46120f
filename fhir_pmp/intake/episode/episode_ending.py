"""Ends an episode and makes its discharge letter due."""

from dataclasses import replace
from datetime import date, datetime

from fhir_pmp.pathway.episode_states import ENDINGS, Actor, EpisodeEvent, move
from fhir_pmp.pathway.facts import Episode
from fhir_pmp.pathway.letter_kinds import LetterTrigger, letters_due
from fhir_pmp.store import UnitOfWork


def end_episode(
    uow: UnitOfWork,
    episode: Episode,
    event: EpisodeEvent,
    actor: Actor,
    by: str,
    now: datetime,
    *,
    on: date | None = None,
    reason: str | None = None,
) -> Episode:
    """Ends an episode; its discharge letter becomes due in the same transaction.

    `on` and `reason` are used only where the episode has none yet. Raises MoveNotListed with the allowed moves.
    """
    after = move(episode.state, event, actor)
    why = episode.end_reason or reason
    dated = replace(episode, ended_on=episode.ended_on or on, end_reason=why)
    if dated != episode:
        episode = uow.episodes.update(dated, now=now)
    ended = uow.episodes.move(episode, after, event=event, by=by, now=now, reason=why)
    if event in ENDINGS:
        for kind in letters_due(LetterTrigger.EPISODE_ENDED):
            uow.letters_due.add(ended.id, kind, now=now)
    return ended
