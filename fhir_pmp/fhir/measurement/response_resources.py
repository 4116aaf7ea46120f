"""Builds every resource that follows from one response alone."""

from collections.abc import Sequence

from fhir_pmp.fhir.measurement.questionnaire_response import build_questionnaire_response
from fhir_pmp.fhir.measurement.safety_observation import build_safety_observations
from fhir_pmp.fhir.measurement.score_observation import build_score_observations
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.instruments.definition import Score
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Response


def render_response(
    clinic: ClinicalContext, response: Response, scores: Sequence[Score]
) -> tuple[RenderedResource, ...]:
    """Builds the QuestionnaireResponse, then publishable score and safety Observations.

    Raises KeyError for a score of a scale that the instrument does not have.
    """
    return (
        build_questionnaire_response(clinic, response),
        *build_score_observations(clinic, response, scores),
        *build_safety_observations(clinic, response),
    )
