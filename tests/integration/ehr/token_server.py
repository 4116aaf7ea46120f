"""An authorization server as SMART Backend Services describes one, small, on loopback, and an EHR behind its tokens."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Answered = tuple[int, dict[str, str], bytes]


class TokenServer(ThreadingHTTPServer):
    """Gives tokens to whoever signs with a key of `jwks`, and knows which it gave."""

    daemon_threads = True

    def __init__(self, client_id: str, jwks: bytes, now: Callable[[], float]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.client_id = client_id
        self.now = now
        self.expires_in = 300
        self.behind: str | None = None  # the EHR's own origin, where the EHR passes token requests on
        self.asked: list[dict[str, str]] = []  # every token request
        self.refused: list[str] = []  # why, for the tests to read
        self.given: list[str] = []
        self.valid: set[str] = set()
        self.answer: Callable[[], Answered | None] = lambda: None  # something else than what is right
        self._seen: set[str] = set()
        self.knows(jwks)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def endpoint(self) -> str:
        """The token URL."""
        return f"{self.behind or self.origin}/oauth/token"

    def knows(self, jwks: bytes) -> None:
        """It has fetched this JWK set."""
        self._keys = json.loads(jwks)["keys"]

    def token_for(self, asked: dict[str, str]) -> Answered:
        """A token, or invalid_client."""
        self.asked.append(asked)
        instead = self.answer()
        if instead is not None:
            return instead
        why = self._refusal(asked)
        if why:
            self.refused.append(why)
            return _json(400, {"error": "invalid_client", "error_description": why})
        token = f"token-{len(self.given) + 1}"
        self.given.append(token)
        self.valid.add(token)
        return _json(200, {"access_token": token, "token_type": "bearer", "expires_in": self.expires_in})

    def _refusal(self, asked: dict[str, str]) -> str:
        if (
            asked.get("client_assertion_type") != JWT_BEARER
            or asked.get("grant_type") != "client_credentials"
        ):
            return "not a client assertion"
        try:
            keys = KeySet.import_key_set({"keys": self._keys})
            token = jwt.decode(asked["client_assertion"], keys, algorithms=["RS384", "ES384"])
        except (JoseError, ValueError, KeyError) as error:
            return type(error).__name__
        claims, header = token.claims, token.header
        if header["kid"] not in {key["kid"] for key in self._keys} or header["typ"] != "JWT":
            return "no such key"
        if not claims["iss"] == claims["sub"] == self.client_id or claims["aud"] != self.endpoint:
            return "of somebody else, or for somebody else"
        if not self.now() < claims["exp"] <= self.now() + 300:
            return "lasts too long, or no more"
        if claims["jti"] in self._seen:
            return "seen before"
        self._seen.add(claims["jti"])
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TokenServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = _form(body)
        asked["authorization"] = self.headers.get("Authorization", "")
        status, headers, content = self.server.token_for(asked)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _form(body: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body).items()}


def _json(status: int, body: dict[str, Any]) -> Answered:
    return (
        status,
        {"Content-Type": "application/json", "Cache-Control": "no-store"},
        json.dumps(body).encode(),
    )


@contextmanager
def token_server(client_id: str, jwks: bytes, now: Callable[[], float]) -> Iterator[TokenServer]:
    """One, for as long as the block runs."""
    with TokenServer(client_id, jwks, now) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def configuration(server: TokenServer, **more: Any) -> dict[str, Any]:
    """What the EHR says of signing in."""
    return {
        "token_endpoint": server.endpoint,
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
        **more,
    }


def guard(proxy: FaultProxy, server: TokenServer, **more: Any) -> None:
    """Nothing passes the proxy but with a token that the server gave and has not taken back."""

    def plan(call: Call) -> InjectedFault | None:
        if call.path.endswith("/.well-known/smart-configuration"):
            return InjectedFault(
                "configuration", status=200, status_body=json.dumps(configuration(server, **more)).encode()
            )
        if call.path == "/oauth/token":
            status, headers, body = server.token_for(_form(call.body.decode()))
            return InjectedFault("token", status=status, status_headers=headers, status_body=body)
        if call.headers.get("authorization", "").removeprefix("Bearer ") in server.valid:
            return None
        return InjectedFault("no token", status=401)

    proxy.plan = plan


def rsa_key(file: Path, bits: int = 2048) -> Path:
    """A new RSA key in this file."""
    return _write(file, rsa.generate_private_key(public_exponent=65537, key_size=bits))


def ec_key(file: Path, curve: ec.EllipticCurve | None = None) -> Path:
    """A new key on P-384, or on another curve, in this file."""
    return _write(file, ec.generate_private_key(curve or ec.SECP384R1()))


def _write(file: Path, key: Any) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file
