"""Answers and requests with less in them than they had: members dropped, and what was stored a moment ago not found."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.stub_ehr.json_text import from_json, to_json


def drop_members(*names: str) -> Callable[[bytes], bytes]:
    """Drops these members wherever they stand, as a server does that keeps less than it was sent."""

    def drop(value: Any) -> Any:
        if isinstance(value, list):
            return [drop(member) for member in value]
        if isinstance(value, dict):
            return {name: drop(member) for name, member in value.items() if name not in names}
        return value

    return lambda body: to_json(drop(from_json(body))) if body else body


def drop_recent_entries(body: bytes, seconds: float) -> bytes:
    """A search answer without what was stored less than so many seconds ago: an index that lags."""
    try:
        bundle = from_json(body)
    except ValueError:
        return body
    if not isinstance(bundle, dict) or bundle.get("type") != "searchset":
        return body

    def is_old(entry: dict[str, Any]) -> bool:
        at = datetime.fromisoformat(entry["resource"]["meta"]["lastUpdated"])
        return (datetime.now(UTC) - at).total_seconds() >= seconds

    kept = [entry for entry in bundle.get("entry", []) if is_old(entry)]
    return to_json(bundle | {"entry": kept, "total": len(kept)})
