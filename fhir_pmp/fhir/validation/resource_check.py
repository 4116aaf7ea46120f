"""Checks received resources: known elements, JSON types, required codes; nothing is coerced."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import MAX_FAULTS, safe_member_name
from fhir_pmp.fhir.validation.element_table import Element, elements_of, is_resource_type

_WHOLE_NUMBERS = {
    "integer": range(-(2**31), 2**31),
    "unsignedInt": range(2**31),
    "positiveInt": range(1, 2**31),
}
_PATTERNS = {
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "code": re.compile(r"[^\s]+(\s[^\s]+)*"),
    "uri": re.compile(r"\S*"),
    "url": re.compile(r"\S*"),
    "canonical": re.compile(r"\S*"),
    "base64Binary": re.compile(r"[A-Za-z0-9+/=\s]*"),
}
_LONGEST_STRING = 1024 * 1024
_STRINGS = frozenset({"string", "markdown", "code", "uri", "url", "canonical", "id"})

# Required bindings that the model library lists incompletely.
_STATUSES = {
    "ServiceRequest": "draft active on-hold revoked completed entered-in-error unknown",
    "Task": "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed "
    "entered-in-error",
    "Observation": "registered preliminary final amended corrected cancelled entered-in-error unknown",
}
_REQUIRED_CODES = {(kind, "status"): frozenset(codes.split()) for kind, codes in _STATUSES.items()}


class NotFhir(NotUnderstood):
    """The body is JSON but not valid FHIR R4. The sender corrects the named elements."""


def check_resource(resource: Mapping[str, Any], path: str = "") -> None:
    """Refuses a resource that is not valid FHIR R4.

    It is compared with the element table first, so that nothing is coerced; then the model library checks required
    elements and dates. Raises NotFhir; every fault has a path and never a value.
    """
    at = path or safe_member_name(str(resource.get("resourceType", "resource")))
    faults = _first_faults(_resource_faults(resource, at)) or _first_faults(_model_faults(resource, at))
    if faults:
        raise NotFhir(faults=faults)


def _first_faults(faults: Iterator[Fault]) -> list[Fault]:
    return [fault for fault, _ in zip(faults, range(MAX_FAULTS), strict=False)]


def _resource_faults(value: object, path: str) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(path, "is not a resource")
        return
    kind = value.get("resourceType")
    if not isinstance(kind, str) or not is_resource_type(kind):
        yield Fault(f"{path}.resourceType", "is not a type of resource that FHIR R4 has")
        return
    yield from _complex_faults(value, kind, path, is_resource=True)


def _complex_faults(value: object, kind: str, path: str, *, is_resource: bool = False) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(path, f"is not an object, as {kind} is")
        return
    elements = elements_of(kind)
    for name, member in value.items():
        element = elements.get(name) or _extensions_of(elements, name)
        at = f"{path}.{safe_member_name(name)}"
        if name == "resourceType" and is_resource:
            continue
        if element is None:
            yield Fault(at, f"is not an element of {kind}")
        else:
            allowed_codes = element.allowed_codes or _REQUIRED_CODES.get((kind, name))
            yield from _element_faults(member, element, at, allowed_codes)
    for name, element in elements.items():
        if element.is_required and name not in value and f"_{name}" not in value:
            yield Fault(f"{path}.{name}", "is missing")


def _extensions_of(elements: Mapping[str, Element], name: str) -> Element | None:
    # The library lacks `_value...` of Extension; every primitive has a `_x`.
    of = elements.get(name[1:]) if name.startswith("_") else None
    return Element("Element", of.is_repeating, False, None) if of is not None and of.is_primitive else None


def _element_faults(
    value: object, element: Element, path: str, allowed_codes: frozenset[str] | None
) -> Iterator[Fault]:
    if element.is_repeating is not isinstance(value, list):
        yield Fault(path, "is not an array" if element.is_repeating else "is an array")
        return
    repeats = value if isinstance(value, list) else [value]
    for at, one in enumerate(repeats):
        here = f"{path}[{at}]" if element.is_repeating else path
        if one is None:
            continue  # a placeholder for a primitive or its extensions; the reader has checked it
        if element.type == "Resource":
            yield from _resource_faults(one, here)
        elif not element.is_primitive:
            yield from _complex_faults(one, element.type, here)
        else:
            what = _primitive_fault(one, element.type, allowed_codes)
            if what is not None:
                yield Fault(here, what)


def _primitive_fault(value: object, kind: str, allowed_codes: frozenset[str] | None) -> str | None:
    if kind == "boolean":
        return None if isinstance(value, bool) else "is not true or false"
    if kind in _WHOLE_NUMBERS:
        is_whole_number = type(value) is int and value in _WHOLE_NUMBERS[kind]
        return None if is_whole_number else f"is not a whole number as {kind} is"
    if kind == "decimal":
        return None if type(value) is int or isinstance(value, Decimal) else "is not a number"
    if not isinstance(value, str):
        return f"is not a string, as {kind} is"
    return _string_fault(value, kind, allowed_codes)


def _string_fault(value: str, kind: str, allowed_codes: frozenset[str] | None) -> str | None:
    pattern = _PATTERNS.get(kind)
    if kind in _STRINGS and len(value) > _LONGEST_STRING:
        return f"is longer than {_LONGEST_STRING} characters"
    if pattern is not None and not pattern.fullmatch(value):
        return f"is not spelt as {kind} is"
    if allowed_codes is not None and value not in allowed_codes:
        return "is none of the codes that FHIR requires here"
    return None


def _model_faults(resource: Mapping[str, Any], path: str) -> Iterator[Fault]:
    try:
        get_fhir_model_class(str(resource["resourceType"])).model_validate(resource)
    except ValidationError as error:
        # The library's messages repeat values; its error types do not.
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            yield Fault(_json_path(path, one["loc"]), _fault_text(str(one["type"])))


def _json_path(path: str, location: tuple[int | str, ...]) -> str:
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{safe_member_name(step)}"
    return path


def _fault_text(kind: str) -> str:
    return "is missing" if "missing" in kind else f"is not as FHIR R4 has it ({kind})"
