"""Compares the resource at the destination with every version of ours.

The result is ours, older, newer or foreign.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from fhir_pmp.ehr.config.content import read_content, same_content


class ContentOrigin(StrEnum):
    """Whose content it is."""

    THIS = "this"  # what we are sending: it had arrived
    OLDER = "older"  # a version of ours before it: send once more, over what is there
    NEWER = "newer"  # a version of ours after it: nothing to do
    FOREIGN = "foreign"  # somebody else wrote there: never written over, a person merges


def classify_content(
    found: Mapping[str, Any],
    version: int,
    content: bytes,
    others: Iterable[tuple[int, bytes]],
    *,
    with_id: bool,
) -> ContentOrigin:
    """Classifies the resource at the destination by comparing its content.

    `others`: our other versions as rendered for this destination, newest first. `by_id` False leaves the id out of the
    comparison: the server assigned it.
    """
    there = _compared(found, with_id)
    if same_content(_compared(read_content(content), with_id), there):
        return ContentOrigin.THIS
    for number, other in others:
        if same_content(_compared(read_content(other), with_id), there):
            # This version as it once was rendered, when the destination knew the person by another id, is older too.
            return ContentOrigin.NEWER if number > version else ContentOrigin.OLDER
    return ContentOrigin.FOREIGN


def _compared(resource: Mapping[str, Any], with_id: bool) -> Mapping[str, Any]:
    return resource if with_id else {name: value for name, value in resource.items() if name != "id"}
