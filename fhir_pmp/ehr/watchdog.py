"""A limit on a whole call: a read time-out is per read, so a server that drips a byte now and then would outlive it."""

import heapq
import itertools
import os
import socket
import threading
import time
from types import TracebackType
from typing import Any

import urllib3

_current = threading.local()


class Watchdog:
    """Closes the connection of the call made inside the block when `seconds` have passed. `fired` tells of it."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self.done = False
        self._seconds = seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Watchdog":
        _current.watchdog = self
        _post.watch(self, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.watchdog = None
        with self._lock:
            self.done = True
            self._socket = None  # it may serve another call by now

    def watch(self, connected: socket.socket | None) -> None:
        """The call goes over this socket."""
        with self._lock:
            self._socket = connected
            if self.fired:
                self._shut()

    def cut(self) -> None:
        """Ends the call now; at the end of its time somebody else does that."""
        with self._lock:
            if not self.done:
                self.fired = True
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # closed already, which is all we want


class _Watchman:
    """One thread that cuts off whichever call is over its time: a thread for every call cost more than the waiting.

    It is woken early only for a call that ends before all others that it knows of; what is done by then is forgotten
    when its time comes.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, Watchdog]] = []  # by when they end
        self._number = itertools.count()
        self._sooner = threading.Condition()
        threading.Thread(target=self._stand, name="watchman", daemon=True).start()

    def watch(self, call: Watchdog, seconds: float) -> None:
        """Cuts it off after so many seconds, unless it is done."""
        with self._sooner:
            heapq.heappush(self._calls, (time.monotonic() + seconds, next(self._number), call))
            if self._calls[0][2] is call:
                self._sooner.notify()

    def _stand(self) -> None:
        while True:
            self._next().cut()

    def _next(self) -> Watchdog:
        """Waits for the next call whose time is over."""
        with self._sooner:
            while True:
                while self._calls and self._calls[0][2].done:
                    heapq.heappop(self._calls)
                left = self._calls[0][0] - time.monotonic() if self._calls else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._calls)[2]
                self._sooner.wait(left)


class _Post:
    """Where the watchman of this process stands, from the first call on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchman: _Watchman | None = None

    def watch(self, call: Watchdog, seconds: float) -> None:
        with self._lock:
            if self._watchman is None:
                self._watchman = _Watchman()
        self._watchman.watch(call, seconds)

    def desert(self) -> None:
        """A thread does not live on in a process that was forked, and a lock may be held there by nobody."""
        self._lock = threading.Lock()
        self._watchman = None


_post = _Post()
os.register_at_fork(after_in_child=_post.desert)


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
