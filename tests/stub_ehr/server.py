"""The HTTP wire: threads, keep-alive, JSON in and out."""

import gzip
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.stub_ehr.interactions import StubEhr, StubRequest, StubResponse
from tests.stub_ehr.json_text import to_json
from tests.stub_ehr.refusals import Problem, outcome, outcome_of

BASE_PATH = "/fhir"


class StubServer(ThreadingHTTPServer):
    """Serves one Ehr under `/fhir`. `answer_after` seconds pass before each answer."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, ehr: StubEhr, port: int = 0, *, answer_after: float = 0.0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.ehr = ehr
        self.answer_after = answer_after

    @property
    def address(self) -> str:
        """The base address, to be given to a client."""
        return f"http://127.0.0.1:{self.server_address[1]}{BASE_PATH}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: StubServer

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            self.close_connection = True  # the sender went away in the middle: nothing of it is kept
            return
        try:
            answer = self._answer(body)
        except Problem as problem:
            answer = StubResponse(problem.status, outcome_of(problem), problem.headers)
        except Exception as error:  # noqa: BLE001 - a server answers 500 and goes on
            answer = StubResponse(500, outcome("error", "exception", f"HAPI-2223: {type(error).__name__}"))
        if self.server.answer_after:
            time.sleep(self.server.answer_after)
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve

    def _answer(self, body: bytes) -> StubResponse:
        parts = urlsplit(self.path)
        if not parts.path.startswith(BASE_PATH):
            raise Problem(404, "HAPI-0302: nothing is here", code="not-found")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        base = f"http://{headers.get('host', '127.0.0.1')}{BASE_PATH}"
        path = parts.path.removeprefix(BASE_PATH)
        return self.server.ehr.answer(StubRequest(self.command, path, parts.query, headers, body, base))

    def _send(self, answer: StubResponse) -> None:
        content = b"" if answer.body is None else to_json(answer.body)
        headers: dict[str, str] = {"Content-Type": "application/fhir+json;charset=UTF-8", **answer.headers}
        if len(content) > 1000 and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 1)
            headers["Content-Encoding"] = "gzip"
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a test's output is its own."""
