"""Defines the types of our identifiers and computes ids from business keys."""

import hashlib
from dataclasses import dataclass
from typing import NewType

PersonId = NewType("PersonId", str)
EpisodeId = NewType("EpisodeId", str)
ReferralId = NewType("ReferralId", str)
ResponseId = NewType("ResponseId", str)
LetterId = NewType("LetterId", str)
FlagId = NewType("FlagId", str)
ResourceId = NewType("ResourceId", str)
"""The id of a FHIR resource of ours: 1-64 characters of [A-Za-z0-9-.], a letter first."""
DestinationId = NewType("DestinationId", str)
SourceId = NewType("SourceId", str)
ClientId = NewType("ClientId", str)
InstrumentId = NewType("InstrumentId", str)
ScaleId = NewType("ScaleId", str)
LinkId = NewType("LinkId", str)
TimepointId = NewType("TimepointId", str)

MIN_SECRET_BYTES = 32
"""Bytes. A shorter secret could be guessed, and a guessed secret reveals the record numbers behind our ids."""

_BLOCK = 64  # bytes of SHA-256's block


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """A business identifier: the system that issued it (a URI) and the value it gave."""

    system: str
    value: str


class KeyedIds:
    """Computes ids as keyed hashes of business keys.

    An id reveals nothing to outsiders. Raises ValueError for a secret shorter than MIN_SECRET_BYTES bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the id secret has fewer than {MIN_SECRET_BYTES} bytes")
        # HMAC-SHA-256 (RFC 2104) with its two keyed blocks hashed once: an import computes several ids for each
        # response, and setting the key up again costs three quarters of one.
        key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def __repr__(self) -> str:
        return "KeyedIds(secret hidden)"

    def compute(self, kind: str, *key: str) -> str:
        """Returns the id of a business key: `kind-` and 32 hex digits.

        `kind` is a short lower-case word.
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(_hash_message(kind, key))
        outer.update(inner.digest())
        return kind + "-" + outer.hexdigest()[:32]


def definition_id(kind: str, url: str, version: str) -> ResourceId:
    """The id of a published definition; computed without the secret, so equal in every installation."""
    return ResourceId(f"{kind}-{hashlib.sha256(_hash_message(kind, (url, version))).digest()[:16].hex()}")


def _hash_message(kind: str, key: tuple[str, ...]) -> bytes:
    # Length prefixes distinguish ("ab", "c") from ("a", "bc"), whatever characters a source uses in its ids.
    parts = "".join([f"{len(part)}:{part}" for part in key])
    return f"{kind}|{parts}".encode()
