"""Renders with fhir.resources: checks, scores, validates each resource into models and dumps it.

In favour of fhir.resources the values are prepared: only checking, validating, building and dumping are measured.
"""

from typing import Any

import msgspec
import orjson
from fhir.resources.R4B import get_fhir_model_class

from bench.rendering.our_renderer import RenderFunction
from bench.rendering.sample_bodies import ResponseBody
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext


def build_models_renderer(
    clinic: ClinicalContext, name: InstrumentId, bodies: list[bytes], ours: RenderFunction
) -> RenderFunction:
    """Builds the renderer with the R4B models, for these bodies only."""
    decode = msgspec.json.Decoder(ResponseBody).decode
    ready = {body: [_ready(content) for content in ours(body)] for body in bodies}

    def render(body: bytes) -> list[bytes]:
        clinic.score(name, clinic.check(name, decode(body).answers))
        return [model.model_validate(values).model_dump_json().encode() for model, values in ready[body]]

    return render


def _ready(content: bytes) -> tuple[Any, dict[str, Any]]:
    values: dict[str, Any] = orjson.loads(content)
    return get_fhir_model_class(values["resourceType"]), values
