"""Secrets that callers carry: made here once, kept only as their hash."""

import hashlib
import secrets


def new_token() -> str:
    """A secret nobody can guess: 43 characters that fit a header and a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token: sha256 hex. No salt, because the token is random and looked up by this hash."""
    return hashlib.sha256(token.encode()).hexdigest()
