"""What a resource says apart from `meta`, compared with what the EHR has."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_pmp.fhir.serialization.json_reader import read_json

LARGEST_RESOURCE = 64 * 1024 * 1024
"""Bytes. A letter with its PDF has half a million."""


def read_content(content: bytes) -> dict[str, Any]:
    """The resource without `meta`. Raises NotUnderstood for what is not JSON."""
    resource = read_json(content, max_bytes=LARGEST_RESOURCE)
    resource.pop("meta", None)
    return resource


def same_content(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Compares two resources without `meta` or member order; 7.10 differs from 7.1."""
    names = (ours.keys() | theirs.keys()) - {"meta"}
    return all(name in ours and name in theirs and _same(ours[name], theirs[name]) for name in names)


def sha256_hex(content: bytes) -> str:
    """sha256 of the bytes, hex."""
    return hashlib.sha256(content).hexdigest()


def _same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one.as_tuple() == other.as_tuple()
    return type(one) is type(other) and one == other
