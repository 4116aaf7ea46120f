"""Limits the time of a whole call.

A read time-out applies to each read, so a server that sends a byte now and then would outlast it.
"""

import heapq
import itertools
import os
import socket
import threading
import time
from types import TracebackType
from typing import Any

import urllib3

_thread_state = threading.local()


class CallDeadline:
    """Closes the connection of the enclosed call after `seconds`; then `expired` is true."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self.done = False
        self._seconds = seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> "CallDeadline":
        _thread_state.deadline = self
        _deadline_thread.watch(self, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _thread_state.deadline = None
        with self._lock:
            self.done = True
            self._socket = None  # it may serve another call by now

    def watch(self, connected: socket.socket | None) -> None:
        """The call goes over this socket."""
        with self._lock:
            self._socket = connected
            if self.expired:
                self._shut_down_socket()

    def cut(self) -> None:
        """Ends the call now; at the end of its time somebody else does that."""
        with self._lock:
            if not self.done:
                self.expired = True
                self._shut_down_socket()

    def _shut_down_socket(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # closed already, which is all we want


class _DeadlineThread:
    """One thread that cuts off whichever call is over its time: a thread for every call cost more than the waiting.

    It is woken early only for a call that ends before all others that it knows of; what is done by then is forgotten
    when its time comes.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, CallDeadline]] = []  # by when they end
        self._number = itertools.count()
        self._earlier_deadline = threading.Condition()
        threading.Thread(target=self._run, name="ehr-call-deadlines", daemon=True).start()

    def watch(self, call: CallDeadline, seconds: float) -> None:
        """Cuts it off after so many seconds, unless it is done."""
        with self._earlier_deadline:
            heapq.heappush(self._calls, (time.monotonic() + seconds, next(self._number), call))
            if self._calls[0][2] is call:
                self._earlier_deadline.notify()

    def _run(self) -> None:
        while True:
            self._wait_for_expired_call().cut()

    def _wait_for_expired_call(self) -> CallDeadline:
        """Waits for the next call whose time is over."""
        with self._earlier_deadline:
            while True:
                while self._calls and self._calls[0][2].done:
                    heapq.heappop(self._calls)
                left = self._calls[0][0] - time.monotonic() if self._calls else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._calls)[2]
                self._earlier_deadline.wait(left)


class _DeadlineThreadPerProcess:
    """Where the watchman of this process stands, from the first call on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: _DeadlineThread | None = None

    def watch(self, call: CallDeadline, seconds: float) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = _DeadlineThread()
        self._thread.watch(call, seconds)

    def reset_after_fork(self) -> None:
        """A thread does not live on in a process that was forked, and a lock may be held there by nobody."""
        self._lock = threading.Lock()
        self._thread = None


_deadline_thread = _DeadlineThreadPerProcess()
os.register_at_fork(after_in_child=_deadline_thread.reset_after_fork)


def _register_socket(connected: Any) -> None:
    deadline = getattr(_thread_state, "deadline", None)
    if deadline is not None:
        deadline.watch(connected)


class _HttpConnection(urllib3.connection.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _register_socket(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        _register_socket(self.sock)
        super().request(*arguments, **named)


class _HttpsConnection(urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _register_socket(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        _register_socket(self.sock)
        super().request(*arguments, **named)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


DEADLINE_POOL_CLASSES: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _HttpPool, "https": _HttpsPool}
"""What a pool manager makes its pools of, by scheme."""
