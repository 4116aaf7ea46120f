"""The compiled renderers of a clinic's instruments and changes, each made once."""

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
    """Compiles all there is to compile now, and not when the first response is recorded, under the write lock."""
    get_response_renderers(clinic)
    get_change_renderer(clinic)


def get_response_renderers(clinic: ClinicalContext) -> Mapping[InstrumentId, ResponseRenderer]:
    """The renderer of each instrument's responses."""
    found = _RESPONSE_RENDERERS.get(clinic)
    if found is None:
        known = clinic.instruments.items()
        found = _RESPONSE_RENDERERS[clinic] = {
            name: compile_response_renderer(clinic, one) for name, one in known
        }
    return found


def get_change_renderer(clinic: ClinicalContext) -> ChangeRenderer:
    """The renderer of changes since baseline."""
    found = _CHANGE_RENDERERS.get(clinic)
    if found is None:
        found = _CHANGE_RENDERERS[clinic] = compile_change_renderer(clinic)
    return found
