"""Checkpoints SQLite's write-ahead log outside the commits.

By default SQLite checkpoints at the end of a commit, after every 4 MB: an import of 200 responses a commit then spends
half of its time there, while other writers of the process wait.
"""

import sqlite3
import threading
from pathlib import Path

import sqlalchemy as sa

MAX_WAL_BYTES = 16 * 1024 * 1024
"""Bytes of log after which it is checkpointed. Recovery of that much after a crash takes well under a second."""

WAL_PRAGMAS = (
    "PRAGMA wal_autocheckpoint = 0",
    f"PRAGMA journal_size_limit = {MAX_WAL_BYTES // 2}",  # a restarted log shrinks, so that its length tells when to checkpoint
)
"""The pragmas of writing connections."""


class WalCheckpointer:
    """Checkpoints the log when it has grown, one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._wal_file = Path(f"{engine.url.database}-wal")
        self._running = threading.Lock()

    def after_commit(self) -> None:
        """Checkpoints if needed. Call it outside a transaction; it blocks no writer and no reader."""
        if self._has_grown() and self._running.acquire(blocking=False):
            try:
                self._checkpoint()
            except sqlite3.Error:
                pass  # no commit is lost; the next commit tries again
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
            # PASSIVE: checkpoints as much as it can without waiting for readers or writers.
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
