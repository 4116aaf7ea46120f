"""Opens a database durably, so that readers never wait for a writer."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from fhir_pmp.store.engine.wal_checkpointer import WAL_PRAGMAS

BUSY_SECONDS = 10.0
"""Seconds that a writer waits for the lock before it raises an error."""

RETRY_SECONDS = 0.002

_SQLITE_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -32768",  # 32 MiB
    *WAL_PRAGMAS,
)
_SQLITE_READER = ("PRAGMA query_only = ON",)


def open_engines(url: str, busy_seconds: float = BUSY_SECONDS) -> tuple[sa.Engine, sa.Engine]:
    """Returns one engine that writes and one that only reads."""
    if url.startswith("sqlite"):
        busy_timeout = f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}"
        writer = _sqlite(url, (busy_timeout, *_SQLITE_WRITER), _begin_writing(busy_seconds, busy_timeout))
        return writer, _sqlite(url, (busy_timeout, *_SQLITE_READER), _begin_reading)
    engine = sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=8,
        max_overflow=64,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": f"-c lock_timeout={round(busy_seconds * 1000)}ms -c synchronous_commit=on"},
    )
    # One snapshot for a whole read transaction, as in SQLite: a search page and its clock belong together.
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine, reader


def _begin_reading(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(busy_seconds: float, busy_timeout: str) -> Callable[[sa.Connection], None]:
    """Returns a function that begins a transaction as the only writer, polling for the lock.

    SQLite's own waiting polls ever more rarely, at last ten times a second, and misses the short gaps that an import in
    another process leaves.
    """

    def begin(connection: sa.Connection) -> None:
        deadline = time.monotonic() + busy_seconds
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            while not _try_begin(cursor, is_last_attempt=time.monotonic() > deadline):
                time.sleep(RETRY_SECONDS)
        finally:
            cursor.execute(busy_timeout)
            cursor.close()

    return begin


def _try_begin(cursor: Any, *, is_last_attempt: bool) -> bool:
    try:
        cursor.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if is_last_attempt or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, error) from None
        return False
    return True


def _sqlite(url: str, pragmas: tuple[str, ...], begin: Callable[[sa.Connection], None]) -> sa.Engine:
    # Last in, first out: the connection used last has the pages needed next in its cache.
    engine = sa.create_engine(url, pool_size=8, max_overflow=64, pool_use_lifo=True, hide_parameters=True)

    def prepare(connection: Any, _record: object) -> None:
        # The driver would begin transactions late and deferred; `begin` does it explicitly.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin)
    return engine
