"""Holds the known responses of one batch in memory.

They are read in a few queries.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from fhir_pmp.identifiers import EpisodeId, InstrumentId, ResponseId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedResponse
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Episode, Flag, Response, ResponseStatus
from fhir_pmp.pathway.scale_changes import ScoredResponse
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.responses import NewResponse, RecordedResponse


@dataclass(slots=True)
class ResponseBatch:
    """The known, new and amended responses of one transaction."""

    episodes: dict[tuple[str, str], Episode]
    current: dict[EpisodeId, dict[ResponseId, ScoredResponse]]
    known: dict[ResponseId, tuple[Response, str]]  # newest version and the hash that identifies a repeat
    by_timepoint: dict[tuple[EpisodeId, InstrumentId, TimepointId], ResponseId]
    new: dict[ResponseId, NewResponse] = field(default_factory=dict)
    amended: dict[ResponseId, tuple[NewResponse, int]] = field(default_factory=dict)
    flags: list[Flag] = field(default_factory=list)


def content_hash(response: Response) -> str:
    """A hash of moment and answers, independent of item order; equal for a repeat.

    The version of our mapping is not hashed: a new mapping changes nothing that the platform stated.
    """
    content = (response.authored.text, sorted(response.answers.items()))
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def load_batch(
    uow: UnitOfWork, clinic: ClinicalContext, arrivals: Sequence[ArrivedResponse]
) -> ResponseBatch:
    """Reads the responses that these submissions may repeat, amend or add to."""
    episodes: dict[tuple[str, str], Episode] = {}
    for source in dict.fromkeys(arrival.enrolments_of for arrival in arrivals):
        wanted = (arrival.enrolment for arrival in arrivals if arrival.enrolments_of == source)
        for enrolment, episode in uow.episodes.find_by_enrolments(source, wanted).items():
            episodes[source, enrolment] = episode
    recorded = uow.responses.of_episodes({episode.id for episode in episodes.values()}, withdrawn=True)
    batch = ResponseBatch(episodes, {}, {}, {})
    for episode_id, responses in recorded.items():
        for one in responses:
            _add_recorded(batch, episode_id, one)
    # A platform's own id may have been given to a response of another enrolment.
    named = {response_id_of(clinic, arrival) for arrival in arrivals if arrival.response_id is not None}
    for one in uow.responses.find_many(named.difference(batch.known)).values():
        _add_recorded(batch, one.response.episode, one)
    return batch


def response_id_of(clinic: ClinicalContext, arrival: ArrivedResponse) -> ResponseId:
    """Returns our id of a submitted response."""
    return clinic.ids.response_id(
        arrival.source, arrival.response_id, arrival.enrolment, arrival.instrument, arrival.timepoint
    )


def _add_recorded(batch: ResponseBatch, episode: EpisodeId, one: RecordedResponse) -> None:
    response = one.response
    batch.known[response.id] = (response, content_hash(response))
    if response.status is not ResponseStatus.ENTERED_IN_ERROR:
        batch.current.setdefault(episode, {})[response.id] = ScoredResponse(response, one.scores)
        batch.by_timepoint[episode, response.instrument, response.timepoint] = response.id
