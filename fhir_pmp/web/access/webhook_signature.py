"""Which EHR rings at the hooks: by a signature over the bytes it sends, or by the secret its Subscription carries."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from flask import request

from fhir_pmp.identifiers import DestinationId

MAX_CLOCK_SKEW_SECONDS = 300
"""Between the moment a signature states and ours, either way."""
SIGNATURE_HEADER = (
    "X-Signature"  # t=SECONDS,v1=HEX: HMAC-SHA256 of "SECONDS." and the body's bytes as they came
)
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_BEARER = re.compile(r"[Bb]earer (\S{1,512})")


def identify_webhook_sender(
    secrets: Mapping[DestinationId, bytes], now: datetime, max_body_bytes: int
) -> DestinationId | None:
    """The destination whose secret the caller holds; None for everybody else. The body is read, and not parsed."""
    destination = DestinationId((request.view_args or {}).get("destination", ""))
    secret = secrets.get(destination)
    signature = _SIGNATURE.fullmatch(request.headers.get(SIGNATURE_HEADER, ""))
    bearer = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if signature is not None:
        request.max_content_length = max_body_bytes
        known = _is_signed(secret, signature[1], signature[2], now)
    elif bearer is not None:
        known = hmac.compare_digest(bearer[1].encode(), secret or b"")
    else:
        known = False
    return destination if known and secret is not None else None


def sign(secret: bytes, seconds: int, body: bytes) -> str:
    """The header's value for these bytes, sent at this moment (seconds since 1970)."""
    return f"t={seconds},v1={_digest(secret, str(seconds), body)}"


def _is_signed(secret: bytes | None, seconds: str, digest: str, now: datetime) -> bool:
    if abs(now.timestamp() - int(seconds)) > MAX_CLOCK_SKEW_SECONDS:
        return False
    return hmac.compare_digest(_digest(secret or b"", seconds, request.get_data(cache=True)), digest)


def _digest(secret: bytes, seconds: str, body: bytes) -> str:
    return hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
