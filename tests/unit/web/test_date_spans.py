"""The span of time a searched date names, in the clinic's zone on the days its clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.web.fhir_api.date_spans import NotADate, read_span

SYDNEY = ZoneInfo("Australia/Sydney")  # UTC+11 until 5 April 2026, 3:00, then UTC+10

# The text, and its first and following moment in UTC.
SPANS = {
    "2026": ("2025-12-31T13:00", "2026-12-31T13:00"),
    "2024": ("2023-12-31T13:00", "2024-12-31T13:00"),
    "2026-02": ("2026-01-31T13:00", "2026-02-28T13:00"),
    "2024-02": ("2024-01-31T13:00", "2024-02-29T13:00"),
    "2026-12": ("2026-11-30T13:00", "2026-12-31T13:00"),
    "2026-04-05": ("2026-04-04T13:00", "2026-04-05T14:00"),  # 25 hours
    "2026-10-04": ("2026-10-03T14:00", "2026-10-04T13:00"),  # 23 hours
    "2026-04-04T10:00": ("2026-04-03T23:00", "2026-04-03T23:01"),
    "2026-04-06T10:00": ("2026-04-06T00:00", "2026-04-06T00:01"),
    "2026-04-06T10:00:30Z": ("2026-04-06T10:00:30", "2026-04-06T10:00:31"),
    "2026-04-06T10:00:30-03:30": ("2026-04-06T13:30:30", "2026-04-06T13:30:31"),
    "2026-04-06T10:00:30.5Z": ("2026-04-06T10:00:30.500", "2026-04-06T10:00:30.600"),
    "2026-04-06T10:00:30.123Z": ("2026-04-06T10:00:30.123", "2026-04-06T10:00:30.124"),
    "2026-04-06T10:00:30.123456Z": ("2026-04-06T10:00:30.123456", "2026-04-06T10:00:30.124456"),
}


@pytest.mark.parametrize("text", SPANS)
def test_the_span_of(text: str) -> None:
    first, after = (datetime.fromisoformat(end).replace(tzinfo=UTC) for end in SPANS[text])
    assert read_span(text, SYDNEY) == (first, after)


@pytest.mark.parametrize(
    "text",
    ["", "26", "2026-1", "2026-13", "2026-00", "2026-02-29", "2026-04-31", "01.04.2026", "2026-04-05T", "2026-04-05T1:00",
     "2026-04-05T24:00", "2026-04-05T10:61", "2026-04-05T10:00:60Z", "2026-04-05T10:00:00z", "2026-04-05T10Z",
     "2026-04-05T10:00:00 10:00", "2026-04-05T10:00:00+25:00", "2026-04-05T10:00:00+10:75", "0000", "1799", "3000",
     "٢٠٢٦", " 2026", "2026-04-05\n"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(NotADate):
        read_span(text, SYDNEY)
