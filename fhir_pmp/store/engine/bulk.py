"""Many rows at once: plain tuples to the driver, and look-ups in handfuls that every database takes."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from fhir_pmp.store.errors import AlreadyStored

T = TypeVar("T")
_NAME = re.compile(r":([a-z_]+)")

MAX_CHUNK_SIZE = 1000
"""Values in one IN list: far below SQLite's 32,766 variables, and few enough different statements to cache."""


class BulkInsert:
    """INSERT of many rows, spelt once per driver. The rows hold what the database keeps (milliseconds, ISO days).

    Measured on SQLite: three times as fast as the same rows as dictionaries through compiled parameters.
    """

    def __init__(self, table: sa.Table, *columns: str, on_conflict: str = "") -> None:
        self.columns = columns
        self._table = table
        self._on_conflict = on_conflict  # ON CONFLICT …, the same words in both databases
        self._sql_by_style: dict[str, str] = {}

    def __call__(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts the rows; none is fine. Raises AlreadyStored where a key is taken or points to nothing.

        PostgreSQL refuses everything that follows in that transaction: let it end.
        """
        if not rows:
            return
        try:
            connection.exec_driver_sql(self._sql(connection.dialect), list(rows))
        except sa.exc.IntegrityError:
            # The driver's words quote the values.
            raise AlreadyStored(field=self._table.name) from None

    def _sql(self, dialect: sa.Dialect) -> str:
        if dialect.name not in self._sql_by_style:
            quote = dialect.identifier_preparer.quote
            names = ", ".join(quote(self._table.c[name].name) for name in self.columns)
            mark = "?" if dialect.paramstyle == "qmark" else "%s"
            marks = ", ".join([mark] * len(self.columns))
            self._sql_by_style[dialect.name] = (
                f"INSERT INTO {quote(self._table.name)} ({names}) VALUES ({marks}) {self._on_conflict}"
            )
        return self._sql_by_style[dialect.name]


class BulkUpdate:
    """UPDATE of many rows, each by values of its own; `:name` stands for a value.

    Measured on SQLite: half the time of the same statement through compiled parameters.
    """

    def __init__(self, statement: str) -> None:
        self._sql_by_style = {mark: _NAME.sub(mark, statement) for mark in ("?", "%s")}

    def __call__(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Updates the rows; none is fine. The values are what the database keeps (milliseconds), in the order of
        the names, one for each time that a name stands there.
        """
        if rows:
            mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
            connection.exec_driver_sql(self._sql_by_style[mark], list(rows))


def chunked(items: Sequence[T], size: int = MAX_CHUNK_SIZE) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
