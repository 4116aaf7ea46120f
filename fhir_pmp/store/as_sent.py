"""What a delivery sent: kept by itself only where it is not simply what was published, without the stamp."""

import re

_STAMP = re.compile(rb'("id":"[^"]*",)"meta":\{"versionId":"[0-9]+","lastUpdated":"[^"]*"([,}])')


def without_stamp(content: bytes) -> bytes:
    """Published bytes without our versionId and lastUpdated, which mean nothing elsewhere; profiles stay."""
    stamp = _STAMP.search(content, 0, 300)
    if stamp is None:
        return content
    rest = content[stamp.end() :]
    if stamp[2] == b"}":  # nothing else stood in meta: the comma behind it goes too
        return content[: stamp.end(1)] + rest.removeprefix(b",")
    return content[: stamp.end(1)] + b'"meta":{' + rest


def kept_apart(sent: bytes, content: bytes) -> bytes | None:
    """What is kept of the bytes sent for this published content: nothing where `as_sent` gives them back.

    A published version never changes, so the same bytes twice would only make the database twice as large.
    """
    return None if sent == without_stamp(content) else sent


def as_sent(kept: bytes | None, content: bytes) -> bytes:
    """The bytes that were sent, from what was kept apart and the published content."""
    return without_stamp(content) if kept is None else kept
