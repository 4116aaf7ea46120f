"""Reads the date of a search parameter as the time span that it covers.

A FHIR date is as wide as its precision: `2026-03` covers a whole month.
"""

import calendar
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
EARLIEST_YEAR, LATEST_YEAR = 1800, 2999
FINEST_PRECISION = timedelta(milliseconds=1)
"""The precision of the dates that we store."""


class NotADate(ValueError):
    """The text is not a FHIR date.

    The message states the fault, without the value.
    """


def read_span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Returns the start of the span and the first moment after it, in UTC.

    `zone` applies where the text has no offset. Raises NotADate.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        hint = " (a + in an address is written %2B)" if " " in text else ""
        raise NotADate(f"is not a date of FHIR, such as 2026-03 or 2026-03-01T10:11:12+11:00{hint}")
    part = found.groupdict()
    if not EARLIEST_YEAR <= int(part["year"]) <= LATEST_YEAR:
        raise NotADate(f"is outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    try:
        return _day_span(part, zone) if part["hour"] is None else _time_span(part, zone)
    except ValueError:
        raise NotADate("is not a date of the calendar or a time of the day") from None


def _day_span(part: dict[str, str | None], zone: tzinfo) -> tuple[datetime, datetime]:
    year, month, day = (int(part[name] or 1) for name in ("year", "month", "day"))
    first = date(year, month, day)
    if part["day"] is not None:
        days = 1
    elif part["month"] is not None:
        days = calendar.monthrange(year, month)[1]
    else:
        days = 366 if calendar.isleap(year) else 365
    return _midnight(first, zone), _midnight(first + timedelta(days=days), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _time_span(part: dict[str, str | None], zone: tzinfo) -> tuple[datetime, datetime]:
    names = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(part[name] or 0) for name in names)
    fraction = part["fraction"] or ""
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    at = datetime(year, month, day, hour, minute, second, microsecond, _zone(part["zone"], zone)).astimezone(
        UTC
    )
    if part["second"] is None:
        width = timedelta(minutes=1)
    elif fraction:
        width = max(timedelta(seconds=1) / 10 ** len(fraction), FINEST_PRECISION)
    else:
        width = timedelta(seconds=1)
    return at, at + width


def _zone(text: str | None, otherwise: tzinfo) -> tzinfo:
    if text is None:
        return otherwise
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    if int(text[4:6]) > 59:
        raise ValueError("minutes of an offset")
    return timezone(-offset if text[0] == "-" else offset)
