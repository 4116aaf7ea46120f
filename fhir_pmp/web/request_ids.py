"""One number for each request: in its answer, its log line, its audit row, and in what we say when we fail."""

import secrets

from flask import g


def request_id() -> str:
    """This request's number, 24 characters that say nothing; always our own, never the caller's."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(12)
    found: str = g.request_id
    return found
