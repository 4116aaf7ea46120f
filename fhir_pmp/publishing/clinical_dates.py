"""A clinical date as written becomes the span of time it stands for, by which searches find it."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fhir_pmp.store.columns import milliseconds


class ClinicalDates:
    """Spans of FHIR dates and dateTimes. A date without a time is a day (month, year) of the clinic's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        # One response's resources share their date, and a day's responses mostly do.
        self.span_of = lru_cache(maxsize=4096)(lambda text: _span(text, zone))


def _span(text: str, zone: ZoneInfo) -> tuple[int, int]:
    """First millisecond and the one after the last. Raises ValueError for what is no FHIR date."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        start = milliseconds(moment)
        return start, start + (1 if "." in text else 1000)
    first, after = _days(text)
    return tuple(milliseconds(datetime(day.year, day.month, day.day, tzinfo=zone)) for day in (first, after))  # type: ignore[return-value]


def _days(text: str) -> tuple[date, date]:
    parts = [int(part) for part in text.split("-")]
    match parts:
        case [year]:
            return date(year, 1, 1), date(year + 1, 1, 1)
        case [year, month]:
            return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
        case [year, month, day]:
            first = date(year, month, day)
            return first, first + timedelta(days=1)
    raise ValueError("no FHIR date")
