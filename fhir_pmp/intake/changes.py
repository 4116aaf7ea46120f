"""What follows from responses for the changes since baseline: new ones, moved ones, and those without ground."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fhir_pmp.fhir.observation import retract
from fhir_pmp.fhir.rendered import Rendered, Resource
from fhir_pmp.fhir.renderers import change_renderer_of
from fhir_pmp.fhir.same_content import same_content
from fhir_pmp.identifiers import InstrumentId, ResourceId, ResponseId
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Episode, Response
from fhir_pmp.pathway.outcomes import ScaleChange, Scored, scale_changes
from fhir_pmp.publishing.care import published_resources, read_published
from fhir_pmp.store import Books

_IN_ERROR = "entered-in-error"
_MARKS = ("meta", "status")


@dataclass(frozen=True, slots=True)
class Ground:
    """One episode after something of it changed: all that stands, and which instruments were touched."""

    episode: Episode
    scored: tuple[Scored, ...]
    instruments: frozenset[InstrumentId]
    new: frozenset[ResponseId]  # responses that were not there before


def change_resources(books: Books, clinic: Clinic, grounds: Iterable[Ground]) -> list[Rendered]:
    """The change Observations of the touched instruments as they stand now.

    One that was published before and whose later response is not new is `amended` if its ground moved, and
    `entered-in-error` if it has none left; one that still says the same is left out.
    """
    standing = [(ground, _changes(clinic, ground)) for ground in grounds]
    older = [
        change_id
        for ground, changes in standing
        for change_id in _possible(clinic, ground)
        if change_id not in changes or changes[change_id].after.id not in ground.new
    ]
    published = published_resources(books, "Observation", older)
    resources: list[Rendered] = []
    for ground, changes in standing:
        for change in changes.values():
            resources += _now(clinic, change, published)
        for change_id in _possible(clinic, ground):
            before = published.get(change_id)
            if before is not None and change_id not in changes and before["status"] != _IN_ERROR:
                resources.append(retract(before, person=ground.episode.person, episode=ground.episode.id))
    return resources


def _changes(clinic: Clinic, ground: Ground) -> dict[ResourceId, ScaleChange]:
    own = [one for one in ground.scored if one.response.instrument in ground.instruments]
    found = scale_changes(clinic, ground.episode, own)
    return {change.id: change for change in found if change.publishable}


def _now(clinic: Clinic, change: ScaleChange, published: Mapping[ResourceId, Resource]) -> Iterator[Rendered]:
    before = published.get(change.id)
    rendered = change_renderer_of(clinic)(change, before is not None)
    if rendered is None:
        return
    if before is None or before["status"] == _IN_ERROR or not _says_the_same(before, rendered):
        yield rendered


def _says_the_same(before: Resource, rendered: Rendered) -> bool:
    # What was final stays final while nothing but the mark of an amendment would be new.
    return same_content(before, read_published(rendered.content), _MARKS)


def _possible(clinic: Clinic, ground: Ground) -> Iterator[ResourceId]:
    """Every change of the touched instruments that may have been published before.

    A change follows from a later response; where all that is touched is new, only those answered before count.
    """
    answered = {
        (one.response.instrument, one.response.timepoint)
        for one in ground.scored
        if one.response.id not in ground.new
    }
    for instrument in ground.instruments:
        for timepoint in clinic.programme.later:
            if not ground.new or (instrument, timepoint.id) in answered:
                for scale in clinic.instruments[instrument].scales:
                    yield clinic.change_id(ground.episode.id, instrument, scale.id, timepoint.id)


def lost_scores(
    books: Books, clinic: Clinic, amended: Iterable[Response], rendered: Iterable[Rendered]
) -> list[Rendered]:
    """Scores of amended responses that were published and may not be any more, as entered in error."""
    still = {resource.id for resource in rendered}
    owners = {
        clinic.score_id(response.id, scale.id): response
        for response in amended
        for scale in clinic.instruments[response.instrument].scales
    }
    published = published_resources(books, "Observation", [one for one in owners if one not in still])
    return [
        retract(resource, person=owners[score_id].person, episode=owners[score_id].episode)
        for score_id, resource in published.items()
        if resource["status"] != _IN_ERROR
    ]
