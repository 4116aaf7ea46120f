"""Loads the private signing keys from files and publishes their public halves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, RSAKey

from fhir_pmp.ehr.config.destinations import Algorithm
from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.fhir.serialization.json_writer import write_canonical

SHORTEST_RSA = 2048
"""Bits (RFC 7518, section 3.3)."""


class KeysWrong(NotUnderstood):
    """A signing key cannot be used. The operator corrects the named file."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """One private key. Its id is the thumbprint of the public key (RFC 7638)."""

    kid: str
    algorithm: Algorithm
    key: RSAKey | ECKey

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"


def load_keys(files: Sequence[Path], field: str) -> tuple[SigningKey, ...]:
    """Loads PEM files: the first key signs, the others may.

    Raises KeysWrong naming each wrong file.
    """
    keys, faults = [], []
    for file in files:
        try:
            keys.append(_load(file))
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
            faults.append(Fault(field, f"{file.name} is no PEM file with an unencrypted private key"))
        except KeysWrong as wrong:
            faults += [Fault(field, f"{file.name}: {fault.what}") for fault in wrong.faults]
    if faults:
        raise KeysWrong(faults=faults)
    return tuple(keys)


def public_keys(keys: Iterable[SigningKey]) -> bytes:
    """The JWK set of the public halves, each key once."""
    known = {key.kid: key for key in keys}
    return write_canonical({"keys": [_public(known[kid]) for kid in sorted(known)]})


def _load(file: Path) -> SigningKey:
    pem = file.read_bytes()
    private = load_pem_private_key(pem, password=None)
    if isinstance(private, RSAPrivateKey):
        if private.key_size < SHORTEST_RSA:
            raise KeysWrong(f"an RSA key has at least {SHORTEST_RSA} bits")
        rsa = RSAKey.import_key(pem)
        return SigningKey(rsa.thumbprint(), Algorithm.RS384, rsa)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP384R1):
        curve = ECKey.import_key(pem)
        return SigningKey(curve.thumbprint(), Algorithm.ES384, curve)
    raise KeysWrong("it is neither RSA (for RS384) nor on the curve P-384 (for ES384)")


def _public(key: SigningKey) -> dict[str, object]:
    members = {name: value for name, value in key.key.as_dict(private=False).items() if name != "kid"}
    return {**members, "kid": key.kid, "use": "sig", "alg": key.algorithm.value, "key_ops": ["verify"]}
