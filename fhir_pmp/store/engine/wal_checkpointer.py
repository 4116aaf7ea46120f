"""SQLite's log is worked into the database file beside the writers, not by whoever just committed.

SQLite would do it at the end of a commit, after every 4 MB: an import of 200 responses a commit then spends half of
its time there, while other writers of the process wait for their turn.
"""

import sqlite3
import threading
from pathlib import Path

import sqlalchemy as sa

MAX_WAL_BYTES = 16 * 1024 * 1024
"""Bytes of log after which it is worked in. Reading it again after a crash takes well under a second."""

WAL_PRAGMAS = (
    "PRAGMA wal_autocheckpoint = 0",
    f"PRAGMA journal_size_limit = {MAX_WAL_BYTES // 2}",  # a log begun anew gives its length back, so length tells
)
"""What the writing connections are told."""


class WalCheckpointer:
    """Works the log in when it has grown, one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._wal_file = Path(f"{engine.url.database}-wal")
        self._running = threading.Lock()

    def after_commit(self) -> None:
        """Call it without holding a transaction. It holds up no writer and no reader."""
        if self._has_grown() and self._running.acquire(blocking=False):
            try:
                self._checkpoint()
            except sqlite3.Error:
                pass  # what was committed is committed; the next commit tries again
            finally:
                self._running.release()

    def _has_grown(self) -> bool:
        try:
            return self._wal_file.stat().st_size > MAX_WAL_BYTES
        except OSError:
            return False

    def _checkpoint(self) -> None:
        connection = self._engine.raw_connection()
        try:
            # PASSIVE: as much as can be done without waiting for anybody; a reader in the way is passed over.
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
