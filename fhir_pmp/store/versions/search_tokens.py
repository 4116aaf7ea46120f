"""Stores the search tokens of a version as one text, and builds conditions on it."""

from collections.abc import Collection
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from fhir_pmp.store.tables.published import published
from fhir_pmp.store.versions.search_query import TokenFilter

SELECTIVE = frozenset({"identifier", "url"})
"""Parameters whose values few resources share: also stored in a table, from which a search starts.

All others (code, category, status, ...) filter rows already selected by patient, type and time. A table row per token
would be half of all rows written, and would make no search faster.
"""

_END = "\x1e"
_PART = "\x1f"


def tokens_text(tokens: Collection[tuple[str, str, str]]) -> str:
    """The tokens (name, system, value) as one text.

    A token that contains a separator is left out.
    """
    text = _END + "".join([f"{name}{_PART}{value}{_PART}{system}{_END}" for name, system, value in tokens])
    if text.count(_PART) == 2 * len(tokens) and text.count(_END) == 1 + len(tokens):
        return text
    return tokens_text(
        [token for token in tokens if not any(mark in "".join(token) for mark in (_PART, _END))]
    )


def selective_key(name: str, value: str) -> int:
    """The key of a selective token: a signed 64-bit number."""
    return int.from_bytes(
        blake2b(f"{name}{_PART}{value}".encode(), digest_size=8).digest(), "big", signed=True
    )


def selective_keys(text: str) -> list[int]:
    """The keys of the selective tokens in such a text."""
    found = []
    for whole in text.split(_END):
        name, _, rest = whole.partition(_PART)
        if name in SELECTIVE:
            found.append(selective_key(name, rest.partition(_PART)[0]))
    return found


def has_token(token: TokenFilter) -> sa.ColumnElement[bool]:
    """The condition on `published` that a row has one of the filter's tokens."""
    return sa.or_(
        *(
            _TextPosition(published.c.tokens, _token_text(token.name, choice.system, choice.value)) > 0
            for choice in token.choices
        )
    )


def _token_text(name: str, system: str | None, value: str) -> str:
    start = f"{_END}{name}{_PART}{value}{_PART}"
    return start if system is None else f"{start}{system}{_END}"


class _TextPosition(GenericFunction[int]):
    """The position of a text in another, from 1; 0 if absent. LIKE would ignore case in SQLite."""

    type = sa.Integer()
    inherit_cache = True


@compiles(_TextPosition, "sqlite")
def _instr(element: Any, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(_TextPosition, "postgresql")
def _strpos(element: Any, compiler: Any, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"
