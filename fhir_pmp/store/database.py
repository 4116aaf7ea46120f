"""Opens transactions on the database, SQLite or PostgreSQL, each with its unit of work."""

import copy
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from fhir_pmp.crash_points import reach
from fhir_pmp.store.engine.connecting import BUSY_SECONDS, open_engines
from fhir_pmp.store.engine.durability import check_durable
from fhir_pmp.store.engine.migrating import check_migrated
from fhir_pmp.store.engine.wal_checkpointer import WalCheckpointer
from fhir_pmp.store.errors import AlreadyStored, StoreBusy
from fhir_pmp.store.leases import JobLease, Leases
from fhir_pmp.store.tables.published import publish_clock
from fhir_pmp.store.unit_of_work import UnitOfWork

_TRANSIENT_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


class Store:
    """One database, SQLite or PostgreSQL.

    Each transaction is a `with` block: it commits at the end, or rolls back on an error.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._busy_seconds = busy_seconds
        self._writer, self._reader = open_engines(url, busy_seconds)
        # In SQLite waiting writers sleep and compete for the lock; threads of one process take turns instead.
        is_sqlite = self._writer.dialect.name == "sqlite"
        self._write_lock = threading.Lock() if is_sqlite else None
        self._wal_checkpointer = WalCheckpointer(self._writer) if is_sqlite else None
        self._job_lease: JobLease | None = None

    def __repr__(self) -> str:
        return f"Store({self._writer.dialect.name})"

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """Begins a transaction that may publish; one at a time, on both databases.

        Raises StoreBusy when its turn does not come, the disk is full or the database is out of reach.
        """
        with self._writing() as connection:
            if self._write_lock is None:
                # The lock is held to the commit. So rows become visible in the order of their lastUpdated, and a
                # look-up before an insert stays true, as it does under SQLite's one writer.
                connection.execute(sa.select(publish_clock.c.id).with_for_update())
            yield UnitOfWork(connection, may_publish=True)
            reach("facts written")
        reach("facts committed")

    @contextmanager
    def begin_without_publishing(self) -> Iterator[UnitOfWork]:
        """Begins a transaction that publishes nothing: deliveries, sessions, audit. Raises StoreBusy.

        On PostgreSQL it runs in parallel with those that publish.
        """
        with self._writing() as connection:
            yield UnitOfWork(connection, may_publish=False)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Reads one snapshot of the database, without waiting for writers. Raises StoreBusy."""
        with _translate_errors(), self._reader.connect() as connection, connection.begin():
            yield UnitOfWork(connection, may_publish=False)

    def fenced_by(self, lease: JobLease) -> "Store":
        """Returns the same database, writable only under the job lease; else raises JobLeaseLost.

        Checked inside the transaction and held to its end: a process that was paused past its lease writes nothing.
        """
        fenced = copy.copy(self)
        fenced._job_lease = lease
        return fenced

    def check(self) -> None:
        """Checks that the database is durable and migrated.

        Raises NotDurable, NotMigrated, StoreBusy.
        """
        with _translate_errors(), self._writer.connect() as connection:
            check_durable(connection)
            check_migrated(connection)

    def check_ready(self) -> None:
        """Raises StoreBusy when the database does not answer, NotMigrated when it is of another version."""
        with _translate_errors(), self._reader.connect() as connection, connection.begin():
            check_migrated(connection)
            connection.execute(sa.select(publish_clock.c.id))

    def close(self) -> None:
        """Closes every connection."""
        self._writer.dispose()
        self._reader.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if self._write_lock is not None and not self._write_lock.acquire(timeout=self._busy_seconds):
            raise StoreBusy(after_seconds=1)
        try:
            with _translate_errors(), self._writer.connect() as connection, connection.begin():
                if self._job_lease is not None:
                    Leases(connection).require_held(self._job_lease)
                yield connection
        finally:
            if self._write_lock is not None:
                self._write_lock.release()
        if self._wal_checkpointer is not None:
            self._wal_checkpointer.after_commit()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise AlreadyStored from None
    except sa.exc.OperationalError as error:
        if not _is_transient(error):
            raise
        # Locked, full, out of reach, a deadlock: the request may succeed later. The driver's text may quote values.
        raise StoreBusy(after_seconds=1) from None


def _is_transient(error: sa.exc.OperationalError) -> bool:
    # SQLite calls a missing table and a write where only reading is allowed by the same class; those are our faults.
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _TRANSIENT_CODES
