"""A response is withdrawn: it and what was computed from it become entered-in-error; a flag never does."""

from datetime import datetime

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.questionnaire_response import build_questionnaire_response
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.safety_observation import build_safety_observations
from fhir_pmp.fhir.score_observation import build_score_observations
from fhir_pmp.identifiers import ResponseId
from fhir_pmp.intake.arrivals import Fate, Receipt
from fhir_pmp.intake.changes import Ground, change_resources
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import ResponseStatus
from fhir_pmp.pathway.outcomes import Scored
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.responses import RecordedResponse


class ReasonMissing(NotUnderstood):
    """A withdrawal says why. Whoever withdraws gives the reason."""


def withdraw_response(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    response: ResponseId,
    *,
    reason: str,
    by: str,
    now: datetime,
) -> Receipt:
    """Withdraws it for good. A repeat is REPEATED. Raises NotStored, ReasonMissing.

    QuestionnaireResponse, scores, safety answers and the changes that rest on it move; EpisodeOfCare, Task and Flag
    never do.
    """
    if not reason.strip():
        raise ReasonMissing(field="reason")
    recorded = books.responses.get(response)
    if recorded.response.status is ResponseStatus.ENTERED_IN_ERROR:
        return Receipt(Fate.REPEATED, recorded.response.id, recorded.response.version)
    withdrawn = books.responses.withdraw(recorded.response, by=by, reason=reason, now=now)
    episode = books.episodes.get(withdrawn.episode)
    if not episode.doubtful:
        resources = _in_error(clinic, RecordedResponse(withdrawn, recorded.scores, now, reason))
        standing = books.responses.of_episode(episode.id)
        ground = Ground(
            episode=episode,
            scored=tuple(Scored(one.response, one.scores) for one in standing),
            instruments=frozenset({withdrawn.instrument}),
            new=frozenset(),
        )
        publisher.publish(books, [*resources, *change_resources(books, clinic, [ground])], now=now)
    return Receipt(Fate.AMENDED, withdrawn.id, withdrawn.version)


def _in_error(clinic: Clinic, recorded: RecordedResponse) -> list[Rendered]:
    response = recorded.response
    return [
        build_questionnaire_response(clinic, response),
        *build_score_observations(clinic, response, recorded.scores),
        *build_safety_observations(clinic, response),
    ]
