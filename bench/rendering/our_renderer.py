"""Renders as import and API do: checks, scores and builds the resources."""

from collections.abc import Callable
from datetime import date

import msgspec

from bench.rendering.sample_bodies import ResponseBody
from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.identifiers import EpisodeId, InstrumentId, PersonId, SourceId
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus

SOURCE = SourceId("platform")
EPISODE = EpisodeId("episode-0")

RenderFunction = Callable[[bytes], list[bytes]]
"""Renders one body to the bytes of its QuestionnaireResponse and Observations."""


def build_our_renderer(clinic: ClinicalContext, name: InstrumentId) -> RenderFunction:
    """Builds the renderer: the work of `intake.response` without reading and writing the database."""
    decode = msgspec.json.Decoder(ResponseBody).decode
    version, timepoint = clinic.instruments[name].version, clinic.programme.timepoints[0].id

    def render(body: bytes) -> list[bytes]:
        decoded = decode(body)
        answers = clinic.check(name, decoded.answers)
        response_id = clinic.ids.response_id(SOURCE, decoded.response_id, "", name, timepoint)
        response = Response(
            id=response_id,
            person=PersonId(decoded.person),
            episode=EPISODE,
            instrument=name,
            instrument_version=version,
            timepoint=timepoint,
            authored=Moment(decoded.authored, date.fromisoformat(decoded.authored), None),
            status=ResponseStatus.COMPLETED,
            version=1,
            answers=answers,
            identifier=clinic.ids.response_identifier(SOURCE, decoded.response_id, response_id),
            source=SOURCE,
        )
        rendered = render_response(clinic, response, clinic.score(name, answers))
        return [resource.content for resource in rendered]

    return render
