"""The compiled renderers of a clinic's instruments and changes, each made once."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from fhir_pmp.fhir.compiled_changes import ChangeRenderer, compile_change_renderer
from fhir_pmp.fhir.compiled_renderer import Renderer, compile_response_renderer
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.pathway.clinic import Clinic

_CHANGES: WeakKeyDictionary[Clinic, ChangeRenderer] = WeakKeyDictionary()
_COMPILED: WeakKeyDictionary[Clinic, Mapping[InstrumentId, Renderer]] = WeakKeyDictionary()


def prepare_rendering(clinic: Clinic) -> None:
    """Compiles all there is to compile now, and not when the first response is recorded, under the write lock."""
    renderers_of(clinic)
    change_renderer_of(clinic)


def renderers_of(clinic: Clinic) -> Mapping[InstrumentId, Renderer]:
    """The renderer of each instrument's responses."""
    found = _COMPILED.get(clinic)
    if found is None:
        known = clinic.instruments.items()
        found = _COMPILED[clinic] = {name: compile_response_renderer(clinic, one) for name, one in known}
    return found


def change_renderer_of(clinic: Clinic) -> ChangeRenderer:
    """The renderer of changes since baseline."""
    found = _CHANGES.get(clinic)
    if found is None:
        found = _CHANGES[clinic] = compile_change_renderer(clinic)
    return found
