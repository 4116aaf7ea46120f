"""Builds the common elements of our Observations, and marks them entered in error."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from fhir_pmp.fhir.elements.datatypes import coding, concept, identifier, reference
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.fhir.terminology.systems import OBSERVATION_CATEGORY
from fhir_pmp.identifiers import EpisodeId, PersonId, ResourceId, TimepointId
from fhir_pmp.instruments.definition import Coding
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus, Sharing


class ObservationStatus(StrEnum):
    """Observation.status, as far as we use it."""

    FINAL = "final"
    AMENDED = "amended"
    ENTERED_IN_ERROR = "entered-in-error"


OBSERVATION_STATUS = {
    ResponseStatus.COMPLETED: ObservationStatus.FINAL,
    ResponseStatus.AMENDED: ObservationStatus.AMENDED,
    ResponseStatus.ENTERED_IN_ERROR: ObservationStatus.ENTERED_IN_ERROR,
}
"""The status of a response's Observations, by the response's status."""

SURVEY = Coding(OBSERVATION_CATEGORY, "survey", "Survey")


def timepoint_extension(clinic: ClinicalContext, timepoint: TimepointId) -> dict[str, Any]:
    """Returns the timepoint as a coded extension, the same on a response and its Observations."""
    codes = codes_of(clinic)
    return {
        "url": codes.systems.timepoint,
        "valueCoding": coding(codes.timepoint(clinic.programme.timepoint(timepoint))),
    }


def begin_observation(
    clinic: ClinicalContext,
    kind: IdKind,
    observation_id: ResourceId,
    response: Response,
    *,
    status: ObservationStatus,
    codings: Sequence[Coding],
    text: str,
    performer: dict[str, Any],
) -> Resource:
    """Builds an Observation up to `performer`, in FHIR's order; the caller adds the rest."""
    return {
        "resourceType": "Observation",
        "id": observation_id,
        "extension": [timepoint_extension(clinic, response.timepoint)],
        "identifier": [identifier(clinic.ids.own_identifier(kind, observation_id))],
        "status": status.value,
        "category": [concept([SURVEY])],
        "code": concept(codings, text),
        "subject": reference("Patient", response.person),
        **_timing(response.authored),
        "performer": [performer],
    }


def _timing(authored: Moment) -> dict[str, Any]:
    # `issued` is an instant: it is left out if only a date is known.
    effective = {"effectiveDateTime": authored.text}
    return effective if authored.at is None else {**effective, "issued": authored.text}


def mark_entered_in_error(published: Resource, *, person: PersonId, episode: EpisodeId) -> RenderedResource:
    """Returns the published Observation with status entered-in-error, because it can no longer be derived.

    For a score or change that an amendment or withdrawal made impossible: not scorable any more, or without a baseline.
    Everything but the status stays as published.
    """
    content = {**published, "status": ObservationStatus.ENTERED_IN_ERROR.value}
    return render(content, sharing=Sharing.RECORD, person=person, episode=episode)
