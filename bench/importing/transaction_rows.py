"""Reads the rows that an import wrote, by transaction and table."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fhir_pmp.store.tables.metadata import metadata

TransactionMarks = Sequence[Mapping[str, int]]
"""The last row number of every table before the import and after each transaction."""

# Tables without row numbers: each row was written with its parent row. (parent table, parent key, own column)
_PARENT_OF = {"scores": ("responses", "id", "response"), "selective_tokens": ("published", "seq", "seq")}
_PARENTS_FIRST = [table.name for table in metadata.sorted_tables]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that one transaction inserted into one table."""

    insert: str
    rows: list[tuple[Any, ...]]


def last_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Returns the last row number of every table that numbers its rows."""
    numbered = [table for table in _PARENTS_FIRST if table not in _PARENT_OF]
    return {table: _one(connection, f"SELECT coalesce(max(rowid), 0) FROM {table}") for table in numbered}


def of_each_transaction(database: sqlite3.Connection, marks: TransactionMarks) -> Iterator[list[Rows]]:
    """Yields the rows of each transaction, parent tables first, read lazily from the database."""
    inserts = {table: _insert(database, table) for table in _PARENTS_FIRST}
    for table, (_, _, refers) in _PARENT_OF.items():
        database.execute(f"CREATE INDEX IF NOT EXISTS bench_{table} ON {table} ({refers})")
    for before, after in pairwise(marks):
        found = ((table, _between(database, table, before, after)) for table in _PARENTS_FIRST)
        yield [Rows(inserts[table], rows) for table, rows in found if rows]


def _between(
    database: sqlite3.Connection, table: str, before: Mapping[str, int], after: Mapping[str, int]
) -> list[tuple[Any, ...]]:
    parent, key, refers = _PARENT_OF.get(table, (table, "", ""))
    # CROSS JOIN fixes the join order: from the few new parent rows to their child rows.
    tables = (
        f"{parent} parent CROSS JOIN {table} own ON own.{refers} = parent.{key}" if key else f"{table} own"
    )
    row = "parent.rowid" if key else "own.rowid"
    query = f"SELECT own.* FROM {tables} WHERE {row} > ? AND {row} <= ? ORDER BY {row}"
    return database.execute(query, (before[parent], after[parent])).fetchall()


def _insert(database: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _one(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found
