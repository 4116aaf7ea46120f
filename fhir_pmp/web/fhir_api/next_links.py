"""Encrypts the next links of searches, so that no identifier appears in a URL.

A link works only for the caller and the resource type that it was made for.
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.store.versions.search_query import PageKey

PAGE_PARAMETER = "_page"
_NONCE = 12


class InvalidNextLink(NotUnderstood):
    """This next link was not given to this caller for this type. The caller begins the search again."""


@dataclass(frozen=True, slots=True)
class NextPage:
    """A next link's content: the original search and the last shown row's key."""

    query: tuple[tuple[str, str], ...]
    after: PageKey


def encrypt_next_page(page: NextPage, *, key: bytes, caller: str, type: str) -> str:
    """Returns the value of the link's one parameter, safe in a URL."""
    plain = json.dumps([page.query, page.after.snapshot, page.after.sorted_by, page.after.id]).encode()
    nonce = secrets.token_bytes(_NONCE)
    return (
        urlsafe_b64encode(nonce + _cipher(key).encrypt(nonce, plain, _bound_to(caller, type)))
        .decode()
        .rstrip("=")
    )


def decrypt_next_page(text: str, *, key: bytes, caller: str, type: str) -> NextPage:
    """Returns the content of a link.

    Raises InvalidNextLink for a link that was invented, altered, or made for another caller.
    """
    try:
        encrypted = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = _cipher(key).decrypt(encrypted[:_NONCE], encrypted[_NONCE:], _bound_to(caller, type))
    except (NotBase64, InvalidTag, ValueError):
        raise InvalidNextLink(
            "is not a link we gave to this caller; begin the search again", field=PAGE_PARAMETER
        ) from None
    query, snapshot, sorted_by, id = json.loads(plain)
    return NextPage(tuple((name, value) for name, value in query), PageKey(snapshot, sorted_by, id))


def _cipher(key: bytes) -> AESGCM:
    # A derived key, because the same secret signs form tokens.
    return AESGCM(hmac.new(key, b"next links", hashlib.sha256).digest())


def _bound_to(caller: str, type: str) -> bytes:
    return f"{caller}|{type}".encode()
