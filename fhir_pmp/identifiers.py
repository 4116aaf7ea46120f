"""The types of our identifiers, and the one place where an identifier is computed."""

import hashlib
import hmac
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

SHORTEST_SECRET = 32
"""Bytes. A shorter secret could be guessed, and a guessed one turns our ids back into record numbers."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """A business identifier: the system that issued it (a URI) and the value it gave."""

    system: str
    value: str


class KeyedIds:
    """Computes our ids as keyed hashes of business keys, so that an id tells an outsider nothing.

    Raises ValueError for a secret shorter than SHORTEST_SECRET bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"the id secret has fewer than {SHORTEST_SECRET} bytes")
        self._secret = secret

    def __repr__(self) -> str:
        return "KeyedIds(secret hidden)"

    def compute(self, kind: str, *key: str) -> str:
        """The id of the thing of this kind (a short lower-case word) with this business key: `kind-` + 32 hex."""
        message = _message(kind, key)
        return f"{kind}-{hmac.digest(self._secret, message, 'sha256')[:16].hex()}"


def definition_id(kind: str, url: str, version: str) -> ResourceId:
    """The id of a published definition: without the secret, so that every installation gives the same one."""
    return ResourceId(f"{kind}-{hashlib.sha256(_message(kind, (url, version))).digest()[:16].hex()}")


def _message(kind: str, key: tuple[str, ...]) -> bytes:
    # Lengths in front keep ("ab", "c") and ("a", "bc") apart whatever characters a source uses in its ids.
    return f"{kind}|{''.join(f'{len(part)}:{part}' for part in key)}".encode()
