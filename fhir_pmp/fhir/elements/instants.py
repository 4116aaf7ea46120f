"""Formats times as FHIR instants."""

from datetime import UTC, datetime


def format_instant(at: datetime) -> str:
    """Formats a time in UTC with milliseconds: "2026-03-01T10:11:12.345Z".

    Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError("a moment without a zone is no instant")
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
