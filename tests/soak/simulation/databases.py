"""A migrated database for each schedule, made of one that was migrated once; the engines stay, their statements compiled."""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Protocol

import psycopg

from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate
from tests.backing_services.postgres import PostgresServer

IN_MEMORY = Path("/dev/shm")
"""A file system that forgets when the machine does: the path through the program is the same, a sync costs nothing."""


class Databases(Protocol):
    """Gives a schedule its database."""

    url: str

    def new(self) -> Store:
        """The store, empty."""


class SqliteFile:
    """One file, put back to its first state before each schedule."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="soak-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self._template = self._folder / "template.db"
        self._file = self._folder / "soak.db"
        migrate(f"sqlite:///{self._template}")
        with sqlite3.connect(self._template) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        self.url = f"sqlite:///{self._file}"
        self.store = Store(self.url)

    def new(self) -> Store:
        """The store, empty."""
        self.store.close()
        for end in ("-wal", "-shm"):
            self._file.with_name(self._file.name + end).unlink(missing_ok=True)
        shutil.copy(self._template, self._file)
        return self.store

    def close(self) -> None:
        """Removes everything."""
        self.store.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresDatabases:
    """One database, emptied before each schedule."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._name = server.new_database()
        self.url = server.url(self._name)
        migrate(self.url)
        self.store = Store(self.url)
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            rows = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            self._tables = [name for (name,) in rows if name != "alembic_version"]
            self._clock = connection.execute(
                "SELECT id, last_updated, last_seq FROM publish_clock"
            ).fetchall()

    def new(self) -> Store:
        """The store, empty."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            # The audit's own guard lets nobody remove a row: it is passed by whoever owns the whole server.
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {', '.join(self._tables)} RESTART IDENTITY CASCADE")
            for row in self._clock:
                connection.execute(
                    "INSERT INTO publish_clock (id, last_updated, last_seq) VALUES (%s, %s, %s)", row
                )
        return self.store

    def close(self) -> None:
        """Removes it."""
        self.store.close()
        self._server.drop_database(self._name)
