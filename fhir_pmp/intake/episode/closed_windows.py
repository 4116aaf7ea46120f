"""Finishes commenced episodes whose window for the last questionnaires has closed."""

from datetime import date, datetime

from fhir_pmp.identifiers import EpisodeId
from fhir_pmp.intake.episode.episode_ending import end_episode
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import Actor, EpisodeEvent
from fhir_pmp.pathway.facts import Episode, EpisodeState
from fhir_pmp.pathway.programme.timepoints import has_closed, window
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import Store

_PAGE = 500
ACTOR = "system: the window of the last questionnaires has closed"


def finish_closed_episodes(store: Store, context: PublishingContext, now: datetime) -> int:
    """Finishes every commenced episode whose post window has closed; returns how many. Safe to repeat."""
    finished = 0
    for episode in _list_closed(store, context.clinic, now):
        with store.begin() as uow:
            current = uow.episodes.get(episode.id)
            # Read again under the lock: the platform may have ended it meanwhile.
            if current.state is EpisodeState.COMMENCED and has_closed(
                context.clinic.programme.post, current, now, context.clinic.zone
            ):
                on = _closing_day(context.clinic, current)
                end_episode(uow, current, EpisodeEvent.FINISH, Actor.PLATFORM, ACTOR, now, on=on)
                publish_episodes(uow, context, [episode.id], now)
                finished += 1
    return finished


def _list_closed(store: Store, clinic: ClinicalContext, now: datetime) -> list[Episode]:
    found: list[Episode] = []
    after: EpisodeId | None = None
    with store.read() as uow:
        while page := uow.episodes.list_all([EpisodeState.COMMENCED], after=after, limit=_PAGE):
            found += [e for e in page if has_closed(clinic.programme.post, e, now, clinic.zone)]
            after = page[-1].id
    return found


def _closing_day(clinic: ClinicalContext, episode: Episode) -> date | None:
    """The last day of the post window, which is the end date however late sync runs."""
    open_days = window(clinic.programme.post, episode)
    return None if open_days is None else open_days.closes_on
