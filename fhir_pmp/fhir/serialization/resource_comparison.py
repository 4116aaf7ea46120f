"""Compares resources independent of the order of their members, by fingerprint."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from fhir_pmp.fhir.serialization.json_writer import write_canonical

SERVER_ASSIGNED_MEMBERS = ("id", "meta", "text")
"""Members that may differ in a repeat with the same content."""


def is_same_content(
    one: Mapping[str, Any], other: Mapping[str, Any], ignored_members: Collection[str]
) -> bool:
    """Whether two resources are equal apart from `ignored_members`; `7.10` and `7.1` differ."""
    return fingerprint(one, ignored_members) == fingerprint(other, ignored_members)


def fingerprint(
    resource: Mapping[str, Any], ignored_members: Collection[str] = SERVER_ASSIGNED_MEMBERS
) -> str:
    """Returns a hash (64 hex digits) of a resource's content; member order is ignored."""
    kept = {name: value for name, value in resource.items() if name not in ignored_members}
    return hashlib.sha256(write_canonical(sorted_members(kept))).hexdigest()


def sorted_members(value: Any) -> Any:
    """Sorts the members of all objects in a value by name.

    Arrays keep their order, because it has a meaning.
    """
    if isinstance(value, Mapping):
        return {name: sorted_members(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [sorted_members(member) for member in value]
    return value
