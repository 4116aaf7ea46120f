"""Builds, amends and retracts the Observations of changes since baseline."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fhir_pmp.fhir.measurement.change_observation import build_change_observation
from fhir_pmp.fhir.measurement.observation import mark_entered_in_error
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource
from fhir_pmp.fhir.serialization.resource_comparison import is_same_content
from fhir_pmp.identifiers import InstrumentId, ResourceId, ResponseId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Response
from fhir_pmp.pathway.scale_changes import ScaleChange, ScoredResponse, scale_changes
from fhir_pmp.publishing.episode_resources import find_published_resources, read_published
from fhir_pmp.store import UnitOfWork

_IN_ERROR = "entered-in-error"
_IGNORED_MEMBERS = ("meta", "status")


@dataclass(frozen=True, slots=True)
class ChangeInputs:
    """The scored responses of one changed episode and the instruments that were touched."""

    episode: Episode
    scored: tuple[ScoredResponse, ...]
    instruments: frozenset[InstrumentId]
    new: frozenset[ResponseId]  # responses that were not there before


def build_change_observations(
    uow: UnitOfWork, clinic: ClinicalContext, all_inputs: Iterable[ChangeInputs]
) -> list[RenderedResource]:
    """Builds the change Observations of the touched instruments that differ from the published ones.

    A published Observation becomes `amended` if its responses changed and `entered-in-error` if it has none left;
    an unchanged one is left out.
    """
    current = [(inputs, _publishable_changes(clinic, inputs)) for inputs in all_inputs]
    earlier_ids = [
        change_id
        for inputs, changes in current
        for change_id in _possible_change_ids(clinic, inputs)
        if change_id not in changes or changes[change_id].after.id not in inputs.new
    ]
    published = find_published_resources(uow, "Observation", earlier_ids)
    resources: list[RenderedResource] = []
    for inputs, changes in current:
        for change in changes.values():
            resources += _render_if_changed(clinic, change, published)
        for change_id in _possible_change_ids(clinic, inputs):
            before = published.get(change_id)
            if before is not None and change_id not in changes and before["status"] != _IN_ERROR:
                resources.append(
                    mark_entered_in_error(before, person=inputs.episode.person, episode=inputs.episode.id)
                )
    return resources


def _publishable_changes(clinic: ClinicalContext, inputs: ChangeInputs) -> dict[ResourceId, ScaleChange]:
    own = [one for one in inputs.scored if one.response.instrument in inputs.instruments]
    found = scale_changes(clinic, inputs.episode, own)
    return {change.id: change for change in found if change.is_publishable}


def _render_if_changed(
    clinic: ClinicalContext, change: ScaleChange, published: Mapping[ResourceId, Resource]
) -> Iterator[RenderedResource]:
    before = published.get(change.id)
    rendered = build_change_observation(clinic, change, amended=before is not None)
    if rendered is None:
        return
    if before is None or before["status"] == _IN_ERROR or not _has_same_content(before, rendered):
        yield rendered


def _has_same_content(before: Resource, rendered: RenderedResource) -> bool:
    # A `final` Observation stays so if only its status would change to `amended`.
    return is_same_content(before, read_published(rendered.content), _IGNORED_MEMBERS)


def _possible_change_ids(clinic: ClinicalContext, inputs: ChangeInputs) -> Iterator[ResourceId]:
    """The ids of the touched instruments' changes that may have been published before.

    A change belongs to a later response; if all touched responses are new, only earlier answered ones count.
    """
    answered = {
        (one.response.instrument, one.response.timepoint)
        for one in inputs.scored
        if one.response.id not in inputs.new
    }
    for instrument in inputs.instruments:
        for timepoint in clinic.programme.later:
            if not inputs.new or (instrument, timepoint.id) in answered:
                for scale in clinic.instruments[instrument].scales:
                    yield clinic.ids.change_id(inputs.episode.id, instrument, scale.id, timepoint.id)


def retract_lost_scores(
    uow: UnitOfWork,
    clinic: ClinicalContext,
    amended: Iterable[Response],
    rendered: Iterable[RenderedResource],
) -> list[RenderedResource]:
    """Marks published scores that an amended response no longer has as entered in error."""
    rendered_ids = {resource.id for resource in rendered}
    owners = {
        clinic.ids.score_id(response.id, scale.id): response
        for response in amended
        for scale in clinic.instruments[response.instrument].scales
    }
    published = find_published_resources(
        uow, "Observation", [one for one in owners if one not in rendered_ids]
    )
    return [
        mark_entered_in_error(resource, person=owners[score_id].person, episode=owners[score_id].episode)
        for score_id, resource in published.items()
        if resource["status"] != _IN_ERROR
    ]
