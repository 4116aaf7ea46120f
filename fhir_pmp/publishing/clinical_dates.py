"""A clinical date as written becomes the span of time it stands for, by which searches find it."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fhir_pmp.store.engine.columns import to_milliseconds

_DAY = timedelta(days=1)  # of the calendar: the wall clock stays, whatever the clocks do
_DAY_MILLISECONDS = 24 * 60 * 60 * 1000


class ClinicalDates:
    """Spans of FHIR dates and dateTimes. A date without a time is a day (month, year) of the clinic's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        # One response's resources share their date, and a day's responses mostly do.
        self.span_of = lru_cache(maxsize=4096)(lambda text: _span(text, zone))


def _span(text: str, zone: ZoneInfo) -> tuple[int, int]:
    """First millisecond and the one after the last. Raises ValueError for what is no FHIR date."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        start = to_milliseconds(moment)
        return start, start + (1 if "." in text else 1000)
    first, last = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in _days(text))
    # The day after the calendar's last one has no name; others write 9999-12-31 for "no end".
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
