"""Converts clinical dates to the time spans by which searches find them."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fhir_pmp.store.engine.columns import to_milliseconds

_DAY = timedelta(days=1)  # a calendar day: across a clock change too
_DAY_MILLISECONDS = 24 * 60 * 60 * 1000


class ClinicalDates:
    """Converts FHIR dates and dateTimes to time spans.

    A date without a time is in the clinic's zone.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        # Cached: the resources of one response share their date, and responses of one day mostly do.
        self.span_of = lru_cache(maxsize=4096)(lambda text: _span(text, zone))


def _span(text: str, zone: ZoneInfo) -> tuple[int, int]:
    """The first millisecond and the one after the last. Raises ValueError for an invalid FHIR date."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        start = to_milliseconds(moment)
        return start, start + (1 if "." in text else 1000)
    first, last = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in _days(text))
    # 9999-12-31 has no next day in Python; other systems write it for "no end".
    after = (
        to_milliseconds(last + _DAY) if last.date() < date.max else to_milliseconds(last) + _DAY_MILLISECONDS
    )
    return to_milliseconds(first), after


def _days(text: str) -> tuple[date, date]:
    """The first and the last day."""
    parts = [int(part) for part in text.split("-")]
    match parts:
        case [year]:
            return date(year, 1, 1), date(year, 12, 31)
        case [year, month]:
            return date(year, month, 1), date(year, month, monthrange(year, month)[1])
        case [year, month, day]:
            return date(year, month, day), date(year, month, day)
    raise ValueError("no FHIR date")
