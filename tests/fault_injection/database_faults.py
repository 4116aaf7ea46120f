"""A database that is locked by somebody else or has no room left, on each kind."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa

from fhir_pmp.store import Store
from fhir_pmp.store.tables.metadata import metadata

MAX_PAGES = 4294967294
"""SQLite's own limit on pages."""


@contextmanager
def locked_database(database: str, *, for_seconds: float | None = None) -> Iterator[None]:
    """Somebody else writes, and does not end: for so many seconds, or as long as the block runs."""
    url = sa.engine.make_url(database)
    connection: Any
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database), isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
    else:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(plain)
        # As under SQLite's one writer: everybody may read and nobody else may write or lock.
        names = ", ".join(f'"{name}"' for name in metadata.tables)
        connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
    timer = threading.Timer(for_seconds or 0.0, connection.close)
    if for_seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """No page more for what this store writes.

    SQLite is truly full (SQLITE_FULL, by its limit on pages). PostgreSQL is not: its driver reports at the commit what
    a server without room reports (53100 disk_full), after the server has rolled back.
    """
    engine = store._writer
    if engine.dialect.name == "sqlite":
        with _page_limit_reached(engine):
            yield
        return
    commit = engine.dialect.do_commit

    def disk_full(connection: Any) -> None:
        if connection.read_only:
            return commit(connection)
        connection.rollback()
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    engine.dialect.do_commit = disk_full  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]


@contextmanager
def _page_limit_reached(engine: sa.Engine) -> Iterator[None]:
    full = True

    def limit(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() if full else MAX_PAGES
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(engine, "begin", limit)
    try:
        yield
    finally:
        full = False  # each pooled connection gets its room back as it is used again
