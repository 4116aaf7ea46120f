"""Passwords, kept as argon2id hashes."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD_LENGTH = 12
"""Characters. No other rule: length is what counts."""

MAX_PASSWORD_LENGTH = 256
"""Characters, so that nobody keeps us hashing."""

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """What is kept of a password. Raises ValueError for one that is too short or too long."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise ValueError(f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
    return _HASHER.hash(password)


def is_password(password: str, stored_hash: str | None) -> bool:
    """Whether this is the password. Takes as long for an account that does not exist (`kept` None)."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    try:
        return _HASHER.verify(stored_hash or _dummy_hash(), password) and stored_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    return _HASHER.hash("the password of an account that does not exist")
