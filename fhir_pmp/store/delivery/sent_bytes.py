"""Decides which sent bytes to store: only those that differ from the published ones."""

import re

_VERSION_META = re.compile(rb'("id":"[^"]*",)"meta":\{"versionId":"[0-9]+","lastUpdated":"[^"]*"([,}])')


def without_version_meta(content: bytes) -> bytes:
    """Published bytes without our versionId and lastUpdated; profiles stay."""
    meta = _VERSION_META.search(content, 0, 300)
    if meta is None:
        return content
    rest = content[meta.end() :]
    if meta[2] == b"}":  # meta held nothing else: the comma after it goes too
        return content[: meta.end(1)] + rest.removeprefix(b",")
    return content[: meta.end(1)] + b'"meta":{' + rest


def bytes_to_store(sent: bytes, content: bytes) -> bytes | None:
    """The bytes to store for a delivery: None where `restore_sent_bytes` rebuilds them from the content.

    A published version never changes, so that storing the same bytes twice would only double the database.
    """
    return None if sent == without_version_meta(content) else sent


def restore_sent_bytes(kept: bytes | None, content: bytes) -> bytes:
    """The bytes that were sent, from the stored ones or the published content."""
    return without_version_meta(content) if kept is None else kept
