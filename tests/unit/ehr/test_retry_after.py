"""Retry-After is obeyed in both forms, capped, and ignored when it is nonsense; attempts back off with jitter."""

import random
from datetime import UTC, datetime

import pytest

from fhir_pmp.ehr.transport.retry_after import read_retry_after, retry_delay

NOW = datetime(2026, 4, 5, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sun, 05 Apr 2026 03:02:00 GMT", 120.0),
        ("Sun, 05 Apr 2026 02:00:00 GMT", 0.0),
        ("315360000", 21600.0),
        ("Sat, 05 Apr 2036 03:02:00 GMT", 21600.0),
        ("-5", None),
        ("abc", None),
        ("", None),
        ("1.5", None),
        ("٣", None),
        (None, None),
    ],
)
def test_retry_after_is_read(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, NOW) == seconds


def test_the_span_doubles_from_2_seconds_to_15_minutes() -> None:
    longest = [
        max(retry_delay(n, rng=random.Random(seed)) for seed in range(400)) for n in (1, 2, 3, 12, 1000)
    ]
    for measured, span in zip(longest, (2, 4, 8, 900, 900), strict=True):
        assert 0.95 * span <= measured <= span


def test_the_jitter_is_full() -> None:
    assert min(retry_delay(5, rng=random.Random(seed)) for seed in range(400)) < 0.5


def test_what_the_server_asks_for_is_the_least() -> None:
    waits = [retry_delay(1, 60.0, random.Random(seed)) for seed in range(100)]
    assert all(60.0 <= wait <= 62.0 for wait in waits)
    assert len(set(waits)) > 50
