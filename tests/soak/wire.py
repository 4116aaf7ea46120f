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

from fhir_pmp.ehr import client
from fhir_pmp.ehr.watchdog import Watchdog
from tests.soak.hospital import Wired


@dataclass(frozen=True, slots=True)
class OnWire:
    """A request as it goes out."""

    method: str
    address: str
    headers: dict[str, str]
    body: bytes


class Wire(BaseAdapter):
    """Stands in the place of `EhrClient`'s adapter; the rest of the client is as it is."""

    def __init__(self, carry: Callable[[OnWire], Wired]) -> None:
        super().__init__()
        self._carry = carry

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
        sent = OnWire(
            str(request.method),
            str(request.url),
            dict(request.headers),
            body.encode() if isinstance(body, str) else bytes(body),
        )
        wired = self._carry(sent)
        response = requests.Response()
        response.status_code = wired.status
        response.headers.update(wired.headers)
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(wired.body),
            headers=wired.headers,
            status=wired.status,
            preload_content=False,
            enforce_content_length=True,
            request_method=request.method,
        )
        response.request = request
        response.url = str(request.url)
        return response

    def close(self) -> None:
        """Nothing is open."""


class StillWatchdog(Watchdog):
    """Is on nobody's watch: no call takes longer than it is told to here."""

    def __enter__(self) -> "StillWatchdog":
        return self


@contextmanager
def without_timers() -> Iterator[None]:
    """While it lasts, nobody looks at a clock of this world."""
    was = vars(client)["Watchdog"]
    vars(client)["Watchdog"] = StillWatchdog
    try:
        yield
    finally:
        vars(client)["Watchdog"] = was


def was_reset() -> requests.ConnectionError:
    """The connection broke: how much arrived there nobody here knows."""
    return requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


def nobody_listens() -> requests.ConnectionError:
    """There is no connection."""
    cause = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]


def took_too_long() -> requests.ConnectionError:
    """The answer did not come in time."""
    return requests.ReadTimeout(ReadTimeoutError(None, "/", "timed out"))  # type: ignore[arg-type,return-value]


def cut_off(wired: Wired) -> Wired:
    """The answer ends in the middle, under its true length."""
    return Wired(wired.status, wired.headers, wired.body[: len(wired.body) // 2])


def html(wired: Wired) -> Wired:
    """Something between us and the EHR says that all is well."""
    body = b"<html><body>Welcome</body></html>"
    return Wired(200, {"Content-Type": "text/html", "Content-Length": str(len(body))}, body)


def empty(wired: Wired) -> Wired:
    """Success, and nothing else."""
    return Wired(200, {"Content-Length": "0"}, b"")


def without_version(wired: Wired) -> Wired:
    """No header says of which version."""
    kept = {
        n: v for n, v in wired.headers.items() if n.lower() not in ("etag", "location", "content-location")
    }
    return Wired(wired.status, kept, wired.body)


def status(number: int, retry_after: str | None = None) -> Wired:
    """A status with nothing in it."""
    headers = {"Content-Length": "0", **({} if retry_after is None else {"Retry-After": retry_after})}
    return Wired(number, headers, b"")
