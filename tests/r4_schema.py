"""The R4 JSON schema, asked for one resource: enums, patterns and unknown elements. It requires no `status`: see below."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

SCHEMA = Path(__file__).parent / "data" / "fhir-r4" / "fhir.schema.json"


def find_schema_faults(resource: Mapping[str, Any] | bytes) -> list[str]:
    """
    What the R4 schema finds wrong with a resource (bytes, or as read from JSON), resources inside it included.

    Empty when nothing is. No R4 schema can require `status` and the like, and this one passes two `value[x]`:
    fhir.resources refuses both, and passes in turn what this refuses. Use both.
    """
    # Through text once, so that Decimal, which JSON has not, is a number and a tuple a list.
    text = resource if isinstance(resource, bytes) else json.dumps(resource, default=float)
    return list(_faults(json.loads(text), ""))


def _faults(resource: dict[str, Any], path: str) -> Iterator[str]:
    kind = resource.get("resourceType")
    if kind not in _definitions() or not _is_resource(kind):
        yield f"{path or 'resource'}: resourceType is no R4 resource"
        return
    for error in _validator(kind).iter_errors(resource):
        where = ".".join(str(step) for step in error.instance_path)
        yield f"{path}{kind}.{where}: {error.message}"
    for step, nested in _nested_resources(resource):
        yield from _faults(nested, f"{path}{kind}.{step}/")


def _nested_resources(value: Any, step: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The outermost resources inside a value: contained, a Bundle's entries, Parameters' parts."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        here = f"{step}.{name}" if step else str(name)
        if isinstance(member, dict) and "resourceType" in member:
            yield here, member
        else:
            yield from _nested_resources(member, here)


@cache
def _definitions() -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads(SCHEMA.read_bytes())["definitions"]
    # A oneOf of all resources tells nothing when none fits: what is inside is asked by itself.
    definitions["ResourceList"] = {"type": "object", "required": ["resourceType"]}
    return definitions


def _is_resource(kind: str) -> bool:
    return "resourceType" in _definitions()[kind].get("properties", {})


@cache
def _validator(kind: str) -> jsonschema_rs.Draft6Validator:
    return jsonschema_rs.Draft6Validator({"$ref": f"#/definitions/{kind}", "definitions": _definitions()})
