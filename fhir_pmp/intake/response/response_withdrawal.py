"""Withdraws a response: it and its scores become entered-in-error, its flags do not."""

from datetime import datetime

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.measurement.questionnaire_response import build_questionnaire_response
from fhir_pmp.fhir.measurement.safety_observation import build_safety_observations
from fhir_pmp.fhir.measurement.score_observation import build_score_observations
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import ResponseId
from fhir_pmp.intake.arrivals import RecordingResult, RecordingStatus
from fhir_pmp.intake.episode.changes_since_baseline import ChangeInputs, build_change_observations
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import ResponseStatus
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.responses import RecordedResponse


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
        resources = _retracted_resources(
            context.clinic, RecordedResponse(withdrawn, recorded.scores, now, reason)
        )
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


def _retracted_resources(clinic: ClinicalContext, recorded: RecordedResponse) -> list[RenderedResource]:
    response = recorded.response
    return [
        build_questionnaire_response(clinic, response),
        *build_score_observations(clinic, response, recorded.scores),
        *build_safety_observations(clinic, response),
    ]
