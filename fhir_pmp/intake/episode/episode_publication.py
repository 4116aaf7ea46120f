"""Publishes the whole record of an episode after a clinician resolved who the person is."""

from datetime import datetime

from fhir_pmp.fhir.measurement.flag import build_flag
from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.intake.episode.changes_since_baseline import ChangeInputs, build_change_observations
from fhir_pmp.pathway.facts import Episode, ResponseStatus
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork


def publish_episode_record(
    uow: UnitOfWork, context: PublishingContext, episode: Episode, now: datetime
) -> None:
    """Publishes an episode's care, responses, scores, flags and changes.

    Unchanged resources keep their version. A withdrawn response is included, as entered in error, only if
    a flag refers to it.
    """
    publish_episodes(uow, context, [episode.id], now)
    flags = uow.flags.of_episodes([episode.id]).get(episode.id, [])
    flagged = {flag.response for flag in flags}
    recorded = [
        one
        for one in uow.responses.of_episode(episode.id, withdrawn=True)
        if one.response.status is not ResponseStatus.ENTERED_IN_ERROR or one.response.id in flagged
    ]
    resources: list[RenderedResource] = []
    for one in recorded:
        resources += render_response(context.clinic, one.response, one.scores)
    resources += [build_flag(context.clinic, flag) for flag in flags]
    inputs = ChangeInputs(
        episode=episode,
        scored=tuple(ScoredResponse(one.response, one.scores) for one in recorded),
        instruments=frozenset(one.response.instrument for one in recorded),
        new=frozenset(),
    )
    resources += build_change_observations(uow, context.clinic, [inputs])
    context.publisher.publish(uow, resources, now=now)
