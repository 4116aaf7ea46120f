"""Identifies the EHR that sends a webhook: by HMAC signature or by its Subscription's secret."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from flask import request

from fhir_pmp.identifiers import DestinationId

MAX_CLOCK_SKEW_SECONDS = 300
"""Seconds allowed between the time in a signature and our clock, in either direction."""
SIGNATURE_HEADER = (
    "X-Signature"  # t=SECONDS,v1=HEX: HMAC-SHA256 over "SECONDS." and the body's bytes as received
)
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_BEARER = re.compile(r"[Bb]earer (\S{1,512})")


def identify_webhook_sender(
    secrets: Mapping[DestinationId, bytes], now: datetime, max_body_bytes: int
) -> DestinationId | None:
    """Returns the destination whose secret the caller holds; None for any other caller.

    The body of a signed request is read but not parsed.
    """
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
    """Returns the signature header for these bytes; `seconds` is the sending time since 1970."""
    return f"t={seconds},v1={_digest(secret, str(seconds), body)}"


def _is_signed(secret: bytes | None, seconds: str, digest: str, now: datetime) -> bool:
    if abs(now.timestamp() - int(seconds)) > MAX_CLOCK_SKEW_SECONDS:
        return False
    return hmac.compare_digest(_digest(secret or b"", seconds, request.get_data(cache=True)), digest)


def _digest(secret: bytes, seconds: str, body: bytes) -> str:
    return hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
