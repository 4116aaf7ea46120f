"""Makes bearer and session tokens; the database keeps only their hashes."""

import hashlib
import secrets


def new_token() -> str:
    """Returns a random token of 43 characters that fit a header and a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Returns the stored form of a token: sha256 hex.

    No salt, because the token is random and looked up by this hash.
    """
    return hashlib.sha256(token.encode()).hexdigest()
