"""The wire between a process and the EHR, without sockets: requests go in, and what a network may do to them."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from fhir_pmp.ehr.transport import client
from fhir_pmp.ehr.transport.call_deadline import CallDeadline
from tests.soak.simulation.simulated_ehr import WireResponse


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it goes out."""

    method: str
    address: str
    headers: dict[str, str]
    body: bytes


class SimulatedNetworkAdapter(BaseAdapter):
    """Stands in the place of `EhrClient`'s adapter; the rest of the client is as it is."""

    def __init__(self, transmit: Callable[[WireRequest], WireResponse]) -> None:
        super().__init__()
        self._transmit = transmit

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Carries one request. Raises what requests raises."""
        body = request.body or b""
        sent = WireRequest(
            str(request.method),
            str(request.url),
            dict(request.headers),
            body.encode() if isinstance(body, str) else bytes(body),
        )
        answer = self._transmit(sent)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(answer.body),
            headers=answer.headers,
            status=answer.status,
            preload_content=False,
            enforce_content_length=True,
            request_method=request.method,
        )
        response.request = request
        response.url = str(request.url)
        return response

    def close(self) -> None:
        """Nothing is open."""


class DisabledCallDeadline(CallDeadline):
    """Is on nobody's watch: no call takes longer than it is told to here."""

    def __enter__(self) -> "DisabledCallDeadline":
        return self


@contextmanager
def without_call_deadlines() -> Iterator[None]:
    """While it lasts, nobody looks at a clock of this world."""
    was = vars(client)["CallDeadline"]
    vars(client)["CallDeadline"] = DisabledCallDeadline
    try:
        yield
    finally:
        vars(client)["CallDeadline"] = was


def connection_reset_error() -> requests.ConnectionError:
    """The connection broke: how much arrived there nobody here knows."""
    return requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


def connection_refused_error() -> requests.ConnectionError:
    """There is no connection."""
    cause = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]


def read_timeout_error() -> requests.ConnectionError:
    """The answer did not come in time."""
    return requests.ReadTimeout(ReadTimeoutError(None, "/", "timed out"))  # type: ignore[arg-type,return-value]


def truncated_response(answer: WireResponse) -> WireResponse:
    """The answer ends in the middle, under its true length."""
    return WireResponse(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def html_response(answer: WireResponse) -> WireResponse:
    """Something between us and the EHR says that all is well."""
    body = b"<html><body>Welcome</body></html>"
    return WireResponse(200, {"Content-Type": "text/html", "Content-Length": str(len(body))}, body)


def empty_response(answer: WireResponse) -> WireResponse:
    """Success, and nothing else."""
    return WireResponse(200, {"Content-Length": "0"}, b"")


def without_version_headers(answer: WireResponse) -> WireResponse:
    """No header says of which version."""
    kept = {
        n: v for n, v in answer.headers.items() if n.lower() not in ("etag", "location", "content-location")
    }
    return WireResponse(answer.status, kept, answer.body)


def status(number: int, retry_after: str | None = None) -> WireResponse:
    """A status with nothing in it."""
    headers = {"Content-Length": "0", **({} if retry_after is None else {"Retry-After": retry_after})}
    return WireResponse(number, headers, b"")
