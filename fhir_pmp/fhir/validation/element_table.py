"""Lists the elements of FHIR types from the model library: name, type, repetition, codes."""

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from fhir.resources.R4B import get_fhir_model_class

# R4B equals R4 for every type we use; types that R4B added are refused because R4 does not have them.
_NEW_IN_R4B = frozenset(
    {
        *(
            "AdministrableProductDefinition",
            "Citation",
            "ClinicalUseDefinition",
            "EvidenceReport",
            "Ingredient",
        ),
        *(
            "ManufacturedItemDefinition",
            "MedicinalProductDefinition",
            "NutritionProduct",
            "PackagedProductDefinition",
        ),
        *("RegulatedAuthorization", "SubscriptionStatus", "SubscriptionTopic", "SubstanceDefinition"),
    }
)

# Elements whose description the library misreads as a list of codes.
_UNBOUND = frozenset({("CapabilityStatement", "format"), ("Expression", "language")})


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type."""

    type: str  # "code", "boolean", "Quantity", "ObservationComponent", "Resource", "Element" for `_x`
    is_repeating: bool
    is_required: (
        bool  # for primitives, present as value or extensions; the library checks the other required elements
    )
    allowed_codes: frozenset[str] | None  # the codes of a required binding, if the library lists all of them

    @property
    def is_primitive(self) -> bool:
        """Whether it is a JSON string, number or boolean."""
        return self.type[:1].islower()


def is_resource_type(name: str) -> bool:
    """Whether R4 has a resource type of that name."""
    if name in _NEW_IN_R4B:
        return False
    try:
        model = get_fhir_model_class(name)
    except ValueError:
        return False
    return issubclass(model, get_fhir_model_class("Resource"))


@lru_cache(maxsize=512)
def elements_of(type_name: str) -> Mapping[str, Element]:
    """The elements of a type by JSON name. Raises ValueError for an unknown type."""
    fields = get_fhir_model_class(type_name).model_fields
    return {
        field.alias or name: _element(
            field.annotation, {} if (type_name, name) in _UNBOUND else field.json_schema_extra
        )
        for name, field in fields.items()
        if name != "fhir_comments"
    }


def _element(annotation: Any, extra: Any) -> Element:
    is_repeating, inner = _unwrapped(annotation)
    noted: dict[str, Any] = extra if isinstance(extra, dict) else {}
    codes = frozenset(noted.get("enum_values") or ())
    # The library reads codes from the element's short description; a shortened one ("+") is incomplete, so not used.
    allowed_codes = None if not codes or codes & {"+", "etc."} else codes
    return Element(_type_name(inner), is_repeating, bool(noted.get("element_required")), allowed_codes)


def _unwrapped(annotation: Any) -> tuple[bool, Any]:
    origin = get_origin(annotation)
    if origin is Union or origin is types.UnionType:
        (inner,) = (one for one in get_args(annotation) if one is not type(None))
        return _unwrapped(inner)
    if origin is list:
        return True, _unwrapped(get_args(annotation)[0])[1]
    return False, annotation


def _type_name(inner: Any) -> str:
    if inner is bool:
        return "boolean"
    if get_origin(inner) is Annotated:
        # The last annotation is FHIR's own type: Code(), PositiveInt(), Base64Binary().
        name = type(inner.__metadata__[-1]).__name__
        return name[:1].lower() + name[1:]
    name = inner.__name__.removesuffix("Type")
    return "Element" if name == "FHIRPrimitiveExtension" else name
