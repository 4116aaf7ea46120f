"""Defines column types for times and days, stored alike in SQLite and PostgreSQL."""

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A row number. SQLite uses its rowid only for a column declared INTEGER."""


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC, rounded down. Raises ValueError for a datetime without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return (moment - EPOCH) // _MILLISECOND


def from_milliseconds(since_epoch: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=since_epoch)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored as milliseconds since 1970 UTC, because SQLite drops offsets."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Aware datetime to milliseconds."""
        return None if value is None else to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Milliseconds to aware UTC datetime."""
        return None if value is None else from_milliseconds(value)


class Day(sa.types.TypeDecorator[date]):
    """A calendar day, stored as text YYYY-MM-DD, which sorts by date."""

    impl = sa.String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: sa.Dialect) -> str | None:
        """Day to text."""
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> date | None:
        """Text to day."""
        return None if value is None else date.fromisoformat(value)
