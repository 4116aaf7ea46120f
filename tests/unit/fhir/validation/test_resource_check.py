"""What arrives is FHIR as R4 has it, or refused by its path: nothing is coerced, no value is told."""

import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_pmp.fhir.validation.element_table import elements_of, is_resource_type
from fhir_pmp.fhir.validation.resource_check import NotFhir, check_resource
from tests.r4_schema import SCHEMA

CODE = {"text": "CANARY"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({}, "resource.resourceType"),
    "a data type": ({"resourceType": "Quantity"}, "Quantity.resourceType"),
    "a type that came after R4": ({"resourceType": "Ingredient"}, "Ingredient.resourceType"),
    "a string for a boolean": ({"resourceType": "Patient", "active": "true"}, "Patient.active"),
    "a number for a boolean": ({"resourceType": "Patient", "active": 1}, "Patient.active"),
    "a string for a number": (
        {"resourceType": "Observation", "status": "final", "code": CODE, "valueQuantity": {"value": "7.10"}},
        "Observation.valueQuantity.value",
    ),
    "a fraction for a whole number": (
        {"resourceType": "Observation", "status": "final", "code": CODE, "valueInteger": Decimal("27.0")},
        "Observation.valueInteger",
    ),
    "true for a whole number": (
        {"resourceType": "Observation", "status": "final", "code": CODE, "valueInteger": True},
        "Observation.valueInteger",
    ),
    "a whole number that is too large": (
        {"resourceType": "Observation", "status": "final", "code": CODE, "valueInteger": 2**31},
        "Observation.valueInteger",
    ),
    "a negative count": (
        {"resourceType": "Bundle", "type": "searchset", "total": -1},
        "Bundle.total",
    ),
    "a scalar for an array": ({"resourceType": "Patient", "name": {"family": "CANARY"}}, "Patient.name"),
    "an array for a scalar": ({"resourceType": "Patient", "gender": ["female"]}, "Patient.gender"),
    "a string for an object": ({"resourceType": "Patient", "name": ["CANARY"]}, "Patient.name[0]"),
    "an unknown element deep inside": (
        {"resourceType": "Patient", "name": [{"nick": "CANARY"}]},
        "Patient.name[0].nick",
    ),
    "a code out of a required binding": ({"resourceType": "Patient", "gender": "CANARY"}, "Patient.gender"),
    "a status that the library does not check": (
        {"resourceType": "Observation", "status": "done", "code": CODE},
        "Observation.status",
    ),
    "no status": ({"resourceType": "Observation", "code": CODE}, "Observation.status"),
    "no code": ({"resourceType": "Observation", "status": "final"}, "Observation.code"),
    "two values": (
        {
            "resourceType": "Observation",
            "status": "final",
            "code": CODE,
            "valueInteger": 1,
            "valueString": "CANARY",
        },
        "Observation",
    ),
    "an id that is too long": ({"resourceType": "Patient", "id": "x" * 65}, "Patient.id"),
    "a code with a space at its end": ({"resourceType": "Patient", "gender": "female "}, "Patient.gender"),
    "a uri with a space": (
        {"resourceType": "Patient", "identifier": [{"system": "http://x y"}]},
        "Patient.identifier[0].system",
    ),
    "a day there never was": ({"resourceType": "Patient", "birthDate": "2024-02-30"}, "Patient.birthDate"),
    "a time without a zone": (
        {
            "resourceType": "Observation",
            "status": "final",
            "code": CODE,
            "effectiveDateTime": "2024-01-01T10:11:12",
        },
        "Observation.effectiveDateTime",
    ),
    "a time without seconds": (
        {
            "resourceType": "Observation",
            "status": "final",
            "code": CODE,
            "effectiveDateTime": "2024-01-01T10:11+11:00",
        },
        "Observation.effectiveDateTime",
    ),
    "hour 24": (
        {
            "resourceType": "Observation",
            "status": "final",
            "code": CODE,
            "effectiveDateTime": "2024-01-01T24:00:00Z",
        },
        "Observation.effectiveDateTime",
    ),
    "what is not base64": (
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "content": [{"attachment": {"data": "!"}}],
        },
        "DocumentReference.content[0].attachment.data",
    ),
    "a string longer than FHIR's": (
        {"resourceType": "Patient", "name": [{"family": "x" * (1024 * 1024 + 1)}]},
        "Patient.name[0].family",
    ),
    "a wrong resource inside another": (
        {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "active": "yes"}]},
        "Patient.contained[0].active",
    ),
    "no object where a resource stands": (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": "CANARY"}]},
        "Bundle.entry[0].resource",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_its_path_and_without_its_value(case: str) -> None:
    resource, path = REFUSED[case]
    with pytest.raises(NotFhir) as refused:
        check_resource(resource)
    assert path in [fault.field for fault in refused.value.faults]
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "birthDate": "1970"},
        {
            "resourceType": "Patient",
            "_birthDate": {"extension": [{"url": "http://x.example", "valueString": "y"}]},
        },
        {"resourceType": "Patient", "name": [{"given": ["A", None], "_given": [None, {"id": "g"}]}]},
        {
            "resourceType": "Observation",
            "_status": {"extension": [{"url": "http://x.example", "valueCode": "y"}]},
            "code": {"text": "x"},
        },
        {
            "resourceType": "Observation",
            "status": "corrected",
            "code": {"text": "x"},
            "valueQuantity": {"value": 7},
        },
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "valueQuantity": {"value": Decimal("7.10"), "comparator": "<="},
        },
    ],
)
def test_what_r4_allows_passes(resource: dict[str, Any]) -> None:
    check_resource(resource)


def test_no_more_than_twenty_faults_are_told() -> None:
    with pytest.raises(NotFhir) as refused:
        check_resource({"resourceType": "Patient", "name": [1] * 100})
    assert len(refused.value.faults) == 20


def test_the_codes_we_require_are_those_of_the_r4_schema() -> None:
    definitions = json.loads(SCHEMA.read_bytes())["definitions"]
    ours_by_name = {name.replace("_", ""): name for name in definitions}
    compared = 0
    for type_name in (
        "Patient",
        "Task",
        "Bundle",
        "BundleEntry",
        "HumanName",
        "Identifier",
        "Narrative",
        "Quantity",
    ):
        properties = definitions[ours_by_name[type_name]]["properties"]
        for name, element in elements_of(type_name).items():
            listed = properties.get(name, {}).get("enum")
            if listed is not None and element.allowed_codes is not None:
                assert element.allowed_codes == set(listed), (type_name, name)
                compared += 1
    assert compared > 5


def test_r4_and_what_came_after_it_are_told_apart() -> None:
    assert is_resource_type("ServiceRequest")
    assert not is_resource_type("SubscriptionTopic")
    assert not is_resource_type("HumanName")
    assert not is_resource_type("../etc/passwd")
