"""Caches the compiled renderers of each clinic's responses and changes."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from fhir_pmp.fhir.compiled.change_renderer import ChangeRenderer, compile_change_renderer
from fhir_pmp.fhir.compiled.response_renderer import ResponseRenderer, compile_response_renderer
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinical_context import ClinicalContext

_CHANGE_RENDERERS: WeakKeyDictionary[ClinicalContext, ChangeRenderer] = WeakKeyDictionary()
_RESPONSE_RENDERERS: WeakKeyDictionary[ClinicalContext, Mapping[InstrumentId, ResponseRenderer]] = (
    WeakKeyDictionary()
)


def compile_renderers(clinic: ClinicalContext) -> None:
    """Compiles all renderers at start, rather than later while the write lock is held."""
    get_response_renderers(clinic)
    get_change_renderer(clinic)


def get_response_renderers(clinic: ClinicalContext) -> Mapping[InstrumentId, ResponseRenderer]:
    """Returns the response renderer of each instrument, compiled on first use."""
    found = _RESPONSE_RENDERERS.get(clinic)
    if found is None:
        known = clinic.instruments.items()
        found = _RESPONSE_RENDERERS[clinic] = {
            name: compile_response_renderer(clinic, one) for name, one in known
        }
    return found


def get_change_renderer(clinic: ClinicalContext) -> ChangeRenderer:
    """Returns the renderer of changes since baseline, compiled on first use."""
    found = _CHANGE_RENDERERS.get(clinic)
    if found is None:
        found = _CHANGE_RENDERERS[clinic] = compile_change_renderer(clinic)
    return found
