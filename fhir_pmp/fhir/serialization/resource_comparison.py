"""Whether two resources say the same, whatever the order of their members; and the fingerprint of what they say."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from fhir_pmp.fhir.serialization.json_writer import write_canonical

SERVER_ASSIGNED_MEMBERS = ("id", "meta", "text")
"""What a repeat may spell differently without saying anything else."""


def is_same_content(
    one: Mapping[str, Any], other: Mapping[str, Any], ignored_members: Collection[str]
) -> bool:
    """Whether two resources are equal but for the top-level members named. `7.10` and `7.1` are not equal."""
    return fingerprint(one, ignored_members) == fingerprint(other, ignored_members)


def fingerprint(
    resource: Mapping[str, Any], ignored_members: Collection[str] = SERVER_ASSIGNED_MEMBERS
) -> str:
    """A hash (64 hex) of what a resource says, the order of its members aside, the digits of its decimals kept."""
    kept = {name: value for name, value in resource.items() if name not in ignored_members}
    return hashlib.sha256(write_canonical(sorted_members(kept))).hexdigest()


def sorted_members(value: Any) -> Any:
    """The value with every object's members in alphabetical order. The order of arrays says something and stays."""
    if isinstance(value, Mapping):
        return {name: sorted_members(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [sorted_members(member) for member in value]
    return value
