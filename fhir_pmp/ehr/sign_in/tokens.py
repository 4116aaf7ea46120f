"""Gets, reuses and renews the access tokens for one EHR, by signed assertion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt

from fhir_pmp.ehr.config.destinations import SignIn
from fhir_pmp.ehr.sign_in.discovery import LARGEST, RETRYABLE, Configuration, discover
from fhir_pmp.ehr.sign_in.keys import SigningKey
from fhir_pmp.ehr.transport.client import Answer, EhrClient, Limits
from fhir_pmp.ehr.transport.response_class import (
    SignInRefused,
    TokenEndpointFailing,
    WireFailure,
    classify_status,
)
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json

ASSERTION_LASTS = timedelta(minutes=4)
"""SMART allows five; a clock that is a little behind leaves room."""
ENDS_EARLY = timedelta(seconds=30)
"""A token is not used in its last seconds, or in its last quarter where it is short."""
LONGEST_USE = timedelta(hours=1)
CONFIGURATION_LASTS = timedelta(days=1)
LIMITS = Limits(connect=3.0, between_bytes=5.0, whole_call=5.0, answer_bytes=LARGEST)
"""Small, so that signing in fits into the margin of a lease."""
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class FixedToken:
    """A token that somebody else got, for as long as it lasts."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        """The token."""
        return self._token

    def renew(self, refused: str) -> str | None:
        """There is no other."""
        return None

    def forget(self, refused: str) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True, repr=False)
class _HeldToken:
    token: str
    until: datetime


class BackendSignIn:
    """Signs in at one EHR. Thread-safe: one thread asks the token endpoint, the others wait."""

    def __init__(
        self, base: str, sign_in: SignIn, keys: Sequence[SigningKey], clock: Callable[[], datetime]
    ) -> None:
        self._sign_in = sign_in
        self._keys = [key for key in keys if key.algorithm is sign_in.algorithm]
        self._clock = clock
        self._ehr = EhrClient(base, connections=1, limits=LIMITS)
        self._lock = Lock()
        self._held_token: _HeldToken | None = None
        self._configuration: tuple[Configuration, datetime] | None = None

    def token(self) -> str:
        """A token to be sent to the EHR. Raises TokenEndpointFailing, SignInRefused, Untrusted."""
        with self._lock:
            if self._held_token is None or self._clock() >= self._held_token.until:
                self._held_token = self._ask()
            return self._held_token.token

    def renew(self, refused: str) -> str | None:
        """Another token than the one that was refused; another thread may have got it already."""
        with self._lock:
            if self._held_token is None or self._held_token.token == refused:
                self._held_token = None
                self._held_token = self._ask()
            return self._held_token.token

    def forget(self, refused: str) -> None:
        """This one is refused too: the next call signs in anew."""
        with self._lock:
            if self._held_token is not None and self._held_token.token == refused:
                self._held_token = None

    def close(self) -> None:
        """Closes the connections."""
        self._ehr.close()

    def _ask(self) -> _HeldToken:
        endpoint = self._endpoint()
        refusal = SignInRefused("no signing key is of the algorithm that its file names")
        for key in self._keys:
            # A key that the server has not fetched yet, or fetches no more, is no reason to stand still: the next may do.
            asked_at = self._clock()
            answer = self._post(endpoint, self._assertion(key, endpoint))
            if answer.status == 200:
                return _held_token(answer, asked_at)
            if classify_status(answer.status) in RETRYABLE:
                raise TokenEndpointFailing
            error = _error(answer)
            refusal = SignInRefused(f"its token endpoint answers {answer.status} {error}".rstrip())
            if error != "invalid_client":
                break
        self._configuration = None
        raise refusal

    def _endpoint(self) -> str:
        now = self._clock()
        if self._configuration is None or now - self._configuration[1] >= CONFIGURATION_LASTS:
            found = discover(self._ehr, self._sign_in.algorithm, self._sign_in.token_origins)
            self._configuration = (found, now)
        return self._configuration[0].token_endpoint

    def _assertion(self, key: SigningKey, endpoint: str) -> str:
        now = self._clock()
        header = {"alg": key.algorithm.value, "kid": key.kid, "typ": "JWT"}
        client = self._sign_in.client_id
        claims = {
            "iss": client,
            "sub": client,
            "aud": endpoint,
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LASTS).timestamp()),
            "jti": uuid4().hex,
        }
        return jwt.encode(header, claims, key.key, algorithms=[key.algorithm.value])

    def _post(self, endpoint: str, assertion: str) -> Answer:
        asked = {
            "grant_type": "client_credentials",
            "scope": self._sign_in.scope,
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": assertion,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        parts = urlsplit(endpoint)
        try:
            with EhrClient(f"{parts.scheme}://{parts.netloc}", connections=1, limits=LIMITS) as client:
                return client.ask("POST", endpoint, urlencode(asked).encode(), headers)
        except WireFailure:
            raise TokenEndpointFailing from None


def _held_token(answer: Answer, asked_at: datetime) -> _HeldToken:
    try:
        body = read_json(answer.body, max_bytes=LARGEST)
    except NotUnderstood:
        raise TokenEndpointFailing from None
    token, kind, lasts = body.get("access_token"), body.get("token_type"), body.get("expires_in", 300)
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise SignInRefused("its token endpoint gives no token")
    if str(kind).lower() != "bearer" or not isinstance(lasts, int) or isinstance(lasts, bool) or lasts < 1:
        raise SignInRefused("its token endpoint gives a token that we cannot use")
    whole = min(timedelta(seconds=lasts), LONGEST_USE)
    return _HeldToken(token, asked_at + whole - min(ENDS_EARLY, whole / 4))


def _error(answer: Answer) -> str:
    """The code of an OAuth error (RFC 6749, section 5.2); none of its words."""
    try:
        error = read_json(answer.body, max_bytes=LARGEST).get("error")
    except NotUnderstood:
        return ""
    known = {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
    return error if isinstance(error, str) and error in known | {"unsupported_grant_type"} else ""
