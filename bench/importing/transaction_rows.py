"""The rows that an import wrote, table by table and transaction by transaction."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fhir_pmp.store.tables.metadata import metadata

TransactionMarks = Sequence[Mapping[str, int]]
"""For each transaction, the last row number of every table once it was committed; first of all, from before."""

# A row without a number of its own came with the row that it belongs to.
_PARENT_OF = {"scores": ("responses", "id", "response"), "selective_tokens": ("published", "seq", "seq")}
_PARENTS_FIRST = [table.name for table in metadata.sorted_tables]


@dataclass(frozen=True, slots=True)
class Rows:
    """What one transaction inserted into one table."""

    insert: str
    rows: list[tuple[Any, ...]]


def last_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """The last row number of every table that numbers its rows."""
    numbered = [table for table in _PARENTS_FIRST if table not in _PARENT_OF]
    return {table: _one(connection, f"SELECT coalesce(max(rowid), 0) FROM {table}") for table in numbered}


def of_each_transaction(database: sqlite3.Connection, marks: TransactionMarks) -> Iterator[list[Rows]]:
    """What each transaction wrote, parents first; read from the database when it is asked for."""
    inserts = {table: _insert(database, table) for table in _PARENTS_FIRST}
    for table, (_, _, refers) in _PARENT_OF.items():
        database.execute(f"CREATE INDEX IF NOT EXISTS bench_{table} ON {table} ({refers})")
    for before, after in pairwise(marks):
        found = ((table, _between(database, table, before, after)) for table in _PARENTS_FIRST)
        yield [Rows(inserts[table], rows) for table, rows in found if rows]


def _between(
    database: sqlite3.Connection, table: str, before: Mapping[str, int], after: Mapping[str, int]
) -> list[tuple[Any, ...]]:
    born, key, refers = _PARENT_OF.get(table, (table, "", ""))
    # CROSS JOIN keeps the order: from the few that were born then to what came with them, and not the other way round.
    came = f"{born} born CROSS JOIN {table} own ON own.{refers} = born.{key}" if key else f"{table} own"
    row = "born.rowid" if key else "own.rowid"
    query = f"SELECT own.* FROM {came} WHERE {row} > ? AND {row} <= ? ORDER BY {row}"
    return database.execute(query, (before[born], after[born])).fetchall()


def _insert(database: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _one(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found
