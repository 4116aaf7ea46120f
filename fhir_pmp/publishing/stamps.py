"""The meta that publishing stamps: version and moment, spliced into bytes that are otherwise left alone."""

from datetime import datetime
from functools import lru_cache

from fhir_pmp.store.columns import moment_of


@lru_cache(maxsize=16)
def instant(last_updated: int) -> str:
    """A FHIR instant in UTC with milliseconds: 2026-03-01T10:11:12.345Z."""
    moment: datetime = moment_of(last_updated)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{last_updated % 1000:03d}Z"


def restamped(content: bytes, was: tuple[int, int], now: tuple[int, int]) -> bytes:
    """The same content under another (version, lastUpdated). Raises ValueError for bytes we did not stamp so."""
    before, after = _stamp(*was), _stamp(*now)
    if before not in content:
        raise ValueError("these bytes do not bear the stamp they were published with")
    # Only type and id stand before meta, so the first one is ours.
    return content.replace(before, after, 1)


def _stamp(version: int, last_updated: int) -> bytes:
    return f'"meta":{{"versionId":"{version}","lastUpdated":"{instant(last_updated)}"'.encode()
