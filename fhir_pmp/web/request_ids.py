"""Gives each request an id for its response header, log line, audit row and error."""

import secrets

from flask import g


def request_id() -> str:
    """Returns this request's id: 24 random hexadecimal characters, never taken from the caller."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(12)
    found: str = g.request_id
    return found
