"""Inserts and updates many rows at once, and splits long look-ups into chunks."""

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
    """Inserts many rows by one statement per driver. Rows hold stored values (milliseconds, ISO days).

    Measured on SQLite: three times as fast as the same rows as dictionaries through compiled parameters.
    """

    def __init__(self, table: sa.Table, *columns: str, on_conflict: str = "") -> None:
        self.columns = columns
        self._table = table
        self._on_conflict = on_conflict  # ON CONFLICT …, the same text in both databases
        self._sql_by_style: dict[str, str] = {}

    def __call__(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts the rows, if any.

        Raises AlreadyStored if a key is taken or refers to nothing. PostgreSQL then refuses every further
        statement of the transaction: end it.
        """
        if not rows:
            return
        try:
            connection.exec_driver_sql(self._sql(connection.dialect), list(rows))
        except sa.exc.IntegrityError:
            # The driver's message quotes the values.
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
    """Updates many rows, each with its own values; `:name` is the placeholder of a value.

    Measured on SQLite: half the time of the same statement through compiled parameters.
    """

    def __init__(self, statement: str) -> None:
        self._sql_by_style = {mark: _NAME.sub(mark, statement) for mark in ("?", "%s")}

    def __call__(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Updates the rows, if any.

        Values are as stored, one for each placeholder, in their order.
        """
        if rows:
            mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
            connection.exec_driver_sql(self._sql_by_style[mark], list(rows))


def chunked(items: Sequence[T], size: int = MAX_CHUNK_SIZE) -> Iterator[Sequence[T]]:
    """Splits the items into chunks of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
