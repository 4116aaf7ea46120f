"""A proxy that does harm on purpose and knows whether the EHR behind it had stored what it was sent."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.fault_injection.body_edits import drop_recent_entries


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came: its number from 1, counted over the proxy's life."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """What happens to one call. What is not set does no harm; `then` names what is called and when.

    The order: before_upstream, reset_before, cut_upstream or status (the EHR stores nothing); then the EHR answers,
    once or twice; then after_upstream, wait_after, reset_after, and the changes to the answer.
    """

    name: str
    reset_before: bool = False
    status: int | None = None  # answered by us; the EHR sees nothing
    status_headers: dict[str, str] = field(default_factory=dict)
    status_body: bytes = b""
    cut_upstream: Callable[[], None] | None = (
        None  # called when half the body is with the EHR, which gets no more
    )
    change_request: Callable[[bytes], bytes] | None = (
        None  # the EHR gets something else: fields dropped, text changed
    )
    twice: bool = False  # the EHR gets the request a second time; the second answer is passed on
    before_upstream: Callable[[], None] | None = None
    after_upstream: Callable[[], None] | None = None
    wait_after: float = 0.0
    reset_after: bool = False
    override_status: int | None = None
    override_body: Callable[[bytes], bytes] | None = None
    strip: frozenset[str] = frozenset()  # header names in lower case
    add: dict[str, str] = field(default_factory=dict)  # headers that the EHR did not send
    lag_seconds: float = 0.0  # a search does not find yet what was stored so shortly before
    truncate_to: int | None = None  # bytes sent of the body, under its true Content-Length
    drip_seconds: float | None = None  # between one byte and the next


FaultPlan = Callable[[Call], InjectedFault | None]
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class SeenCall:
    """One line of the proxy's log. `upstream` is what the EHR itself answered, whatever the caller was told."""

    number: int
    method: str
    path: str
    fault: str | None
    at: float
    body: bytes
    upstream: int | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the EHR had stored what it was sent."""
        return self.method in WRITES and self.upstream is not None and 200 <= self.upstream < 300


class FaultProxy(ThreadingHTTPServer):
    """Listens on a free port and passes every request on to `upstream`, unless the plan says otherwise."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, plan: FaultPlan | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.plan: FaultPlan = plan or (lambda _: None)
        self.seen: list[SeenCall] = []
        self.port = int(self.server_address[1])
        self.lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        """The base address to be given to a client."""
        return f"http://127.0.0.1:{self.port}{self.upstream.path}"

    def record_call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[Call, InjectedFault | None]:
        """Counts a call and asks the plan about it."""
        with self.lock:
            call = Call(len(self.seen) + 1, method, path, headers, body)
            fault = self.plan(call)
            self.seen.append(
                SeenCall(call.number, method, path, fault.name if fault else None, time.monotonic(), body)
            )
        return call, fault

    def record_answer(self, call: Call, status: int) -> None:
        """Keeps what the EHR answered."""
        with self.lock:
            self.seen[call.number - 1].upstream = status

    def stored_calls(self) -> list[SeenCall]:
        """What the EHR stored, whether or not the caller learnt of it."""
        with self.lock:
            return [s for s in self.seen if s.is_stored and "_search" not in s.path]

    def written_bodies(self) -> list[bytes]:
        """The bodies of everything that was sent to be stored, in order."""
        with self.lock:
            return [s.body for s in self.seen if s.method in ("POST", "PUT") and "_search" not in s.path]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed leaves a broken pipe; that is what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: FaultProxy

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call, fault = self.server.record_call(self.command, self.path, headers, body)
        fault = fault or InjectedFault("none")
        if fault.before_upstream:
            fault.before_upstream()
        if fault.reset_before:
            return self._reset()
        if fault.status is not None:
            return self._send(fault.status, fault.status_headers, fault.status_body, fault)
        if fault.cut_upstream is not None:
            self._send_half(call)
            fault.cut_upstream()
            return self._reset()
        if fault.change_request is not None:
            call = replace(call, body=fault.change_request(call.body))
        for _ in range(2 if fault.twice else 1):
            answer = self._ask_upstream(call)
        self.server.record_answer(call, answer[0])
        if fault.after_upstream:
            fault.after_upstream()
        time.sleep(fault.wait_after)
        if fault.reset_after:
            return self._reset()
        status, answered, content = answer
        content = drop_recent_entries(content, fault.lag_seconds) if fault.lag_seconds else content
        content = fault.override_body(content) if fault.override_body else content
        kept = {
            name: value for name, value in answered.items() if name.lower() not in fault.strip
        } | fault.add
        return self._send(fault.override_status or status, kept, content, fault)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _open_connection(self) -> http.client.HTTPConnection:
        upstream = self.server.upstream
        assert upstream.hostname is not None
        return http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=120)

    def _send_half(self, call: Call) -> None:
        """The EHR is promised the whole body, gets half of it, and the connection ends."""
        connection = self._open_connection()
        connection.putrequest(call.method, call.path)
        connection.putheader("Content-Type", call.headers.get("content-type", "application/fhir+json"))
        connection.putheader("Content-Length", str(len(call.body)))
        connection.endheaders(call.body[: len(call.body) // 2])
        connection.close()

    def _ask_upstream(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        connection = self._open_connection()
        left_out = ("connection", "content-length", "accept-encoding")
        headers = {name: value for name, value in call.headers.items() if name not in left_out}
        try:
            connection.request(call.method, call.path, call.body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            hop_by_hop_headers = {"connection", "content-length", "transfer-encoding", "keep-alive"}
            kept = {
                name: value for name, value in answer.getheaders() if name.lower() not in hop_by_hop_headers
            }
            return answer.status, kept, content
        except OSError:
            return 502, {}, b""
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], content: bytes, fault: InjectedFault) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = content[: fault.truncate_to] if fault.truncate_to is not None else content
        if fault.drip_seconds is not None:
            for at in range(len(sent)):
                self.wfile.write(sent[at : at + 1])
                self.wfile.flush()
                time.sleep(fault.drip_seconds)
        else:
            self.wfile.write(sent)
        if len(sent) < len(content):
            self.wfile.flush()
            self.close_connection = True

    def _reset(self) -> None:
        # A linger of nothing makes close send RST, as a crashed peer's kernel does.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        socket.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the log is `seen`."""


def on_nth_call(number: int, fault: InjectedFault, method: str | None = None) -> FaultPlan:
    """The fault happens to the call of this number, counted over calls of `method` where one is named."""
    counted = 0

    def plan(call: Call) -> InjectedFault | None:
        nonlocal counted
        if method is not None and call.method != method:
            return None
        counted += 1
        return fault if counted == number else None

    return plan


def first_where(chosen: Callable[[Call], bool], fault: InjectedFault) -> FaultPlan:
    """The fault happens to the first call that is chosen, and to no other."""
    done: list[int] = []

    def plan(call: Call) -> InjectedFault | None:
        if done or not chosen(call):
            return None
        done.append(call.number)
        return fault

    return plan


def is_write(call: Call) -> bool:
    """Whether it would store something."""
    return call.method in WRITES and "_search" not in call.path


def is_write_containing(text: bytes) -> Callable[[Call], bool]:
    """Chooses what would store something that holds this text."""
    return lambda call: is_write(call) and text in call.body
