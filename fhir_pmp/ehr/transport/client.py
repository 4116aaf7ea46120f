"""HTTP client for one EHR: one origin, no redirects, no retries, limited time and size."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from fhir_pmp.ehr.transport.call_deadline import DEADLINE_POOL_CLASSES, CallDeadline
from fhir_pmp.ehr.transport.response_class import (
    NothingSent,
    OffOrigin,
    TooLong,
    TooSlow,
    Untrusted,
    WireFailure,
)

FHIR_JSON = "application/fhir+json"
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds and bytes. `whole_call` covers connecting to the last byte."""

    connect: float = 5.0
    between_bytes: float = 30.0
    whole_call: float = 60.0
    answer_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of the EHR: untrusted bytes under a status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class TokenSource(Protocol):
    """Where the tokens of one EHR come from."""

    def token(self) -> str:
        """A token to be sent along."""

    def renew(self, refused: str) -> str | None:
        """Another one; None where there is none."""

    def forget(self, refused: str) -> None:
        """That one is refused as well."""

    def close(self) -> None:
        """Closes what it holds."""


class EhrClient:
    """Calls one FHIR server from any thread, over at most `connections` connections.

    A token is sent to the base's own origin only, which is the only one ever called.
    """

    def __init__(
        self,
        base: str,
        *,
        connections: int = 4,
        limits: Limits | None = None,
        tokens: TokenSource | None = None,
    ) -> None:
        self.base = base.rstrip("/") + "/"
        self.connections = connections
        self.limits = limits or Limits()
        self._origin = origin_of(self.base)
        self._tokens = tokens
        self._aborted = False
        self._calls_in_progress: set[CallDeadline] = set()
        self._answer_counts = threading.local()
        self._session = _Session()
        # The environment may name proxies and a netrc, which would replace who we say we are.
        self._session.trust_env = False
        self._session.headers.update(
            {"Accept": FHIR_JSON, "Accept-Encoding": "gzip", "User-Agent": "fhir-pmp"}
        )
        adapter = _Adapter(connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> "EhrClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()
        if self._tokens is not None:
            self._tokens.close()

    def abort(self) -> None:
        """Cuts off every call under way, whose result is then unknown, and prevents further calls."""
        self._aborted = True
        for deadline in tuple(self._calls_in_progress):
            deadline.cut()

    @property
    def answers_in_this_thread(self) -> int:
        """How many complete responses this thread got; with none, the EHR's health is unknown."""
        return getattr(self._answer_counts, "answers", 0)

    def ask(
        self, method: str, path: str = "", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends one request once. `path` is relative, or a URL on the same origin.

        With tokens, a 401 renews the token once and the request is sent once more: what was refused was not done. Raises
        WireFailure (no complete response), Untrusted (certificate, sign-in) and OffOrigin.
        """
        address = self._address(path)
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", FHIR_JSON)
        if self._tokens is None:
            return self._ask(method, address, body, sent, self.limits.whole_call)
        token, begun = self._tokens.token(), time.monotonic()
        answer = self._ask(method, address, body, sent | _bearer(token), self.limits.whole_call)
        left = self.limits.whole_call - (time.monotonic() - begun)
        if answer.status != 401 or left <= 0 or (renewed := self._tokens.renew(token)) is None:
            return answer
        answer = self._ask(method, address, body, sent | _bearer(renewed), left)
        if answer.status == 401:
            self._tokens.forget(renewed)
        return answer

    def _ask(
        self, method: str, address: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        with CallDeadline(seconds) as deadline, _translated_errors(deadline), self._abortable(deadline):
            response = self._session.request(
                method,
                address,
                data=body,
                headers=headers,
                timeout=(self.limits.connect, self.limits.between_bytes),
                allow_redirects=False,
                stream=True,
            )
            with response:
                answer = Answer(response.status_code, response.headers, self._read(response))
            self._answer_counts.answers = self.answers_in_this_thread + 1
            return answer

    @contextmanager
    def _abortable(self, deadline: CallDeadline) -> Iterator[None]:
        """The call may be cut off while it is under way."""
        self._calls_in_progress.add(deadline)
        try:
            if self._aborted:  # looked at only now: an abort either finds the call or is seen here
                raise NothingSent
            yield
        finally:
            self._calls_in_progress.discard(deadline)

    def _address(self, path: str) -> str:
        address = urljoin(self.base, path) if path else self.base.rstrip("/")
        if origin_of(address) != self._origin:
            raise OffOrigin
        return address

    def _read(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.raw.stream(_CHUNK, decode_content=True):
            size += len(part)
            if size > self.limits.answer_bytes:
                raise TooLong
            parts.append(part)
        return b"".join(parts)


class _Session(requests.Session):
    """Knows of no redirect: a 3xx is an answer like any other, and its body is read under the same limit."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


class _Adapter(HTTPAdapter):
    """No retries, no more connections than asked for, and connections that the watchdog can close."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        super().__init__(
            pool_connections=1,
            pool_maxsize=connections,
            max_retries=urllib3.Retry(0, read=False, redirect=0, status=0, respect_retry_after_header=False),
            pool_block=True,
        )

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Pools whose connections know the watchdog of the call they serve."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = DEADLINE_POOL_CLASSES


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def origin_of(address: str) -> tuple[str, str, int]:
    """Scheme, host and port, compared as parsed. Raises OffOrigin.

    A look-alike host name then never passes as a prefix.
    """
    parts = urlsplit(address)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        raise OffOrigin from None
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise OffOrigin
    return parts.scheme, parts.hostname.lower(), port


@contextmanager
def _translated_errors(deadline: CallDeadline) -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if deadline.expired:
            raise TooSlow from None
        raise _classify_error(error) from None


def _classify_error(error: BaseException) -> Exception:
    causes = list(_all_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError) for cause in causes):
        return Untrusted()
    if any(
        isinstance(cause, urllib3.exceptions.NewConnectionError | requests.ConnectTimeout) for cause in causes
    ):
        return NothingSent()
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in causes):
        return NothingSent()
    if any(
        isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError)
        for cause in causes
    ):
        return TooSlow()
    return WireFailure()


def _all_causes(error: BaseException | object) -> Iterator[BaseException]:
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
