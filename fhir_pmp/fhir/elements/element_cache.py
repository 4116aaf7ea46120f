"""Caches elements that many resources of one clinic share, as JSON text."""

from collections.abc import Callable, Hashable
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from orjson import Fragment

from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.pathway.clinical_context import ClinicalContext

Built = TypeVar("Built")

_CACHES: WeakKeyDictionary[ClinicalContext, dict[Hashable, object]] = WeakKeyDictionary()


def cached(clinic: ClinicalContext, key: Hashable, build: Callable[[], Built]) -> Built:
    """Returns what `build` returns, built once for each key.

    The key names everything that the result depends on.
    """
    cache = _CACHES.get(clinic)
    if cache is None:
        cache = _CACHES[clinic] = {}
    try:
        return cast(Built, cache[key])
    except KeyError:
        built = cache[key] = build()
        return built


def as_json_text(element: object) -> Fragment:
    """The element as canonical JSON, which the writer copies into a resource unchanged."""
    return Fragment(write_canonical(element))
