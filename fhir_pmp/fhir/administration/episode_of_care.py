"""Builds an episode's EpisodeOfCare."""

from typing import Any

from fhir_pmp.fhir.elements.datatypes import coding, identifier, reference
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource, render
from fhir_pmp.fhir.terminology.local_codes import codes_of
from fhir_pmp.pathway.business_ids import IdKind
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import episode_of_care_status
from fhir_pmp.pathway.facts import Episode, Sharing
from fhir_pmp.pathway.programme.definition import Timepoint
from fhir_pmp.pathway.programme.timepoints import due_on


def build_episode_of_care(clinic: ClinicalContext, episode: Episode) -> RenderedResource:
    """Builds the episode with the programme's timepoints; responses, letters and flags never change it."""
    resource: Resource = {
        "resourceType": "EpisodeOfCare",
        "id": episode.id,
        "extension": [_timepoint(clinic, episode, timepoint) for timepoint in clinic.programme.timepoints],
        "identifier": [identifier(clinic.ids.own_identifier(IdKind.EPISODE, episode.id))],
        "status": episode_of_care_status(episode).value,
        "type": [{"text": clinic.programme.title}],
        "patient": reference("Patient", episode.person),
        "managingOrganization": reference("Organization", clinic.provider_id()),
        **_period(episode),
    }
    if episode.referral is not None:
        request = clinic.ids.service_request_id(episode.referral)
        resource["referralRequest"] = [reference("ServiceRequest", request)]
    return render(resource, sharing=Sharing.RECORD, person=episode.person, episode=episode.id)


def _period(episode: Episode) -> dict[str, Any]:
    period = {}
    start = episode.started_on or episode.enrolled_on
    if start is not None:
        period["start"] = start.isoformat()
    if episode.ended_on is not None and (start is None or episode.ended_on >= start):
        period["end"] = episode.ended_on.isoformat()
    return {"period": period} if period else {}


def _timepoint(clinic: ClinicalContext, episode: Episode, timepoint: Timepoint) -> dict[str, Any]:
    codes = codes_of(clinic)
    parts: list[dict[str, Any]] = [
        {"url": "timepoint", "valueCoding": coding(codes.timepoint(timepoint))},
    ]
    due = due_on(timepoint, episode)
    if due is not None:
        parts.append({"url": "due", "valueDate": due.isoformat()})
    return {"extension": parts, "url": codes.systems.programme_timepoint}
