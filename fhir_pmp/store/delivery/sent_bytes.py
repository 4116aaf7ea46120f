"""What a delivery sent: kept by itself only where it is not simply what was published, without the stamp."""

import re

_VERSION_META = re.compile(rb'("id":"[^"]*",)"meta":\{"versionId":"[0-9]+","lastUpdated":"[^"]*"([,}])')


def without_version_meta(content: bytes) -> bytes:
    """Published bytes without our versionId and lastUpdated, which mean nothing elsewhere; profiles stay."""
    meta = _VERSION_META.search(content, 0, 300)
    if meta is None:
        return content
    rest = content[meta.end() :]
    if meta[2] == b"}":  # nothing else stood in meta: the comma behind it goes too
        return content[: meta.end(1)] + rest.removeprefix(b",")
    return content[: meta.end(1)] + b'"meta":{' + rest


def bytes_to_store(sent: bytes, content: bytes) -> bytes | None:
    """What is kept of the bytes sent for this published content: nothing where `as_sent` gives them back.

    A published version never changes, so the same bytes twice would only make the database twice as large.
    """
    return None if sent == without_version_meta(content) else sent


def restore_sent_bytes(kept: bytes | None, content: bytes) -> bytes:
    """The bytes that were sent, from what was kept apart and the published content."""
    return without_version_meta(content) if kept is None else kept
