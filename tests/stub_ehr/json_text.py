"""JSON in and out with decimals kept as they were written (7.10 stays 7.10)."""

from decimal import Decimal
from typing import Any

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def from_json(data: bytes) -> Any:
    """Reads JSON; of duplicate keys the last wins, as in HAPI. Raises ValueError."""
    return _DECODER.decode(data)


def to_json(value: Any) -> bytes:
    """Writes JSON."""
    return _ENCODER.encode(value)
