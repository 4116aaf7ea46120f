"""How moments, days and lists are kept: as plain numbers and text that mean the same in SQLite and PostgreSQL."""

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A row number. SQLite gives its rowid only to a column that is spelt INTEGER."""


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC, rounded down. Raises ValueError for a moment without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return (moment - EPOCH) // _MILLISECOND


def from_milliseconds(since_epoch: int) -> datetime:
    """The aware UTC moment of a number of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=since_epoch)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime, kept as milliseconds since 1970 UTC: SQLite drops offsets, a number has none to drop."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Aware datetime to milliseconds."""
        return None if value is None else to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Milliseconds to aware UTC datetime."""
        return None if value is None else from_milliseconds(value)


class Day(sa.types.TypeDecorator[date]):
    """A calendar day, kept as the ten characters YYYY-MM-DD, which sort as days do."""

    impl = sa.String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: sa.Dialect) -> str | None:
        """Day to text."""
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> date | None:
        """Text to day."""
        return None if value is None else date.fromisoformat(value)
