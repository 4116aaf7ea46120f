"""Withdraws a response: it and its scores become entered-in-error, its flags do not."""

from datetime import datetime

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.identifiers import ResponseId
from fhir_pmp.intake.arrivals import RecordingResult, RecordingStatus
from fhir_pmp.intake.episode.changes_since_baseline import ChangeInputs, build_change_observations
from fhir_pmp.pathway.facts import ResponseStatus
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork


class ReasonMissing(NotUnderstood):
    """A withdrawal says why. Whoever withdraws gives the reason."""


def withdraw_response(
    uow: UnitOfWork,
    context: PublishingContext,
    response: ResponseId,
    *,
    reason: str,
    by: str,
    now: datetime,
) -> RecordingResult:
    """Withdraws a response permanently. A repeat is REPEATED. Raises NotStored, ReasonMissing.

    QuestionnaireResponse, scores, safety answers and dependent changes get new versions; EpisodeOfCare, Task and
    Flag do not.
    """
    if not reason.strip():
        raise ReasonMissing(field="reason")
    recorded = uow.responses.get(response)
    if recorded.response.status is ResponseStatus.ENTERED_IN_ERROR:
        return RecordingResult(RecordingStatus.REPEATED, recorded.response.id, recorded.response.version)
    withdrawn = uow.responses.withdraw(recorded.response, by=by, reason=reason, now=now)
    episode = uow.episodes.get(withdrawn.episode)
    if not episode.doubtful:
        resources = render_response(context.clinic, withdrawn, recorded.scores)
        current = uow.responses.of_episode(episode.id)
        inputs = ChangeInputs(
            episode=episode,
            scored=tuple(ScoredResponse(one.response, one.scores) for one in current),
            instruments=frozenset({withdrawn.instrument}),
            new=frozenset(),
        )
        context.publisher.publish(
            uow, [*resources, *build_change_observations(uow, context.clinic, [inputs])], now=now
        )
    return RecordingResult(RecordingStatus.AMENDED, withdrawn.id, withdrawn.version)
