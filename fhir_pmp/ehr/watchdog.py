"""A limit on a whole call: a read time-out is per read, so a server that drips a byte now and then would outlive it."""

import socket
import threading
from types import TracebackType
from typing import Any

import urllib3

_current = threading.local()


class Watchdog:
    """Closes the connection of the call made inside the block when `seconds` have passed. `fired` tells of it."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def __enter__(self) -> "Watchdog":
        _current.watchdog = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _current.watchdog = None
        with self._lock:
            self._socket = None  # it may serve another call by now

    def watch(self, connected: socket.socket | None) -> None:
        """The call goes over this socket."""
        with self._lock:
            self._socket = connected
            if self.fired:
                self._shut()

    def cut(self) -> None:
        """Ends the call now, as if its time were over."""
        self._fire()

    def _fire(self) -> None:
        with self._lock:
            self.fired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # closed already, which is all we want


def _watch(connected: Any) -> None:
    watchdog = getattr(_current, "watchdog", None)
    if watchdog is not None:
        watchdog.watch(connected)


class _HttpConnection(urllib3.connection.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _watch(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        _watch(self.sock)
        super().request(*arguments, **named)


class _HttpsConnection(urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _watch(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        _watch(self.sock)
        super().request(*arguments, **named)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


WATCHED_CONNECTIONS: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _HttpPool, "https": _HttpsPool}
"""What a pool manager makes its pools of, by scheme."""
