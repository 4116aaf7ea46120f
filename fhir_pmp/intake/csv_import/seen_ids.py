"""Keeps a set of ids in a temporary file.

Memory then does not grow with the import.
"""

import hashlib
import mmap
import tempfile

_WIDTH = 16
_EMPTY = bytes(_WIDTH)


class SeenIds:
    """Records which ids were seen.

    Open addressing over 16-byte hashes; the table doubles when half full.
    """

    def __init__(self, slots: int = 1 << 16) -> None:
        self._slots = slots
        self._used = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        self._file.truncate(slots * _WIDTH)
        self._table = mmap.mmap(self._file.fileno(), slots * _WIDTH)

    def add(self, name: str) -> bool:
        """Records the id; False if it was seen before."""
        key = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=_WIDTH).digest()
        if not self._put(key):
            return False
        self._used += 1
        if self._used * 2 > self._slots:
            self._grow()
        return True

    def close(self) -> None:
        """Closes and deletes the temporary file."""
        self._table.close()
        self._file.close()

    def _put(self, key: bytes) -> bool:
        at = int.from_bytes(key[:8], "big") % self._slots
        while (held := self._table[at * _WIDTH : (at + 1) * _WIDTH]) != _EMPTY:
            if held == key:
                return False
            at = (at + 1) % self._slots
        self._table[at * _WIDTH : (at + 1) * _WIDTH] = key
        return True

    def _grow(self) -> None:
        larger = SeenIds(self._slots * 2)
        for at in range(self._slots):
            if (key := self._table[at * _WIDTH : (at + 1) * _WIDTH]) != _EMPTY:
                larger._put(key)
        self.close()
        self._slots, self._file, self._table = larger._slots, larger._file, larger._table
