"""Writes `meta.versionId` and `meta.lastUpdated` into published bytes."""

from datetime import datetime
from functools import lru_cache

from fhir_pmp.store.engine.columns import from_milliseconds


@lru_cache(maxsize=16)
def format_instant(last_updated: int) -> str:
    """A FHIR instant in UTC with milliseconds: 2026-03-01T10:11:12.345Z."""
    moment: datetime = from_milliseconds(last_updated)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{last_updated % 1000:03d}Z"


def replace_version_meta(content: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    """The same content with another (version, lastUpdated). Raises ValueError if `old` is not in it."""
    before, after = _meta_bytes(*old), _meta_bytes(*new)
    if before not in content:
        raise ValueError("these bytes do not bear the stamp they were published with")
    # Only type and id come before meta, so the first match is ours.
    return content.replace(before, after, 1)


def _meta_bytes(version: int, last_updated: int) -> bytes:
    return f'"meta":{{"versionId":"{version}","lastUpdated":"{format_instant(last_updated)}"'.encode()
