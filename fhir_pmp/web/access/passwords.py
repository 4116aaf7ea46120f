"""Hashes and checks passwords with argon2id."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD_LENGTH = 12
"""Characters. There is no other rule: length is what makes a password strong."""

MAX_PASSWORD_LENGTH = 256
"""Characters: hashing a longer text would cost too much processor time."""

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """Returns the hash to store.

    Raises ValueError for a password that is too short or too long.
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise ValueError(f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
    return _HASHER.hash(password)


def is_password(password: str, stored_hash: str | None) -> bool:
    """Whether the password matches the hash.

    It takes as long for an account that does not exist (`stored_hash` None), so that timing reveals no login.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    try:
        return _HASHER.verify(stored_hash or _dummy_hash(), password) and stored_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    return _HASHER.hash("the password of an account that does not exist")
