"""Reads JSON bodies strictly, of requests and of EHR responses, and refuses ambiguous ones."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NoReturn

from fhir_pmp.errors import Fault, NotUnderstood

MAX_JSON_DEPTH = 64
"""Levels of nesting of any JSON body; common parsers fail on deeper ones."""
MAX_FHIR_DEPTH = 40
MAX_INTEGER_DIGITS = 19
"""Digits."""
MAX_DECIMAL_CHARACTERS = 40
"""Characters."""
MAX_EXPONENT = 18
"""Decimals stay within 10^18 and 10^-18."""
MAX_FAULTS = 20
"""Faults reported for one body; further ones are left out."""


class BodyTooLarge(NotUnderstood):
    """The body is larger than this endpoint accepts. The sender splits it."""


class NotStrictJson(NotUnderstood):
    """The body is not strict JSON. The sender corrects the named places."""


class _RefusedValue:
    """A placeholder in the parsed tree for a refused value, until its path is known."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what


def read_fhir_json(data: bytes, *, max_bytes: int, max_depth: int = MAX_FHIR_DEPTH) -> dict[str, Any]:
    """Reads one FHIR JSON object; decimals become Decimal with their digits as written.

    Refuses what `read_json` refuses, and empty strings, objects and arrays, null outside arrays of primitives, and
    `fhir_comments`. Raises BodyTooLarge and NotStrictJson; every fault has a path and never a value.
    """
    return _without_faults(_parsed(data, max_bytes, max_depth), fhir=True)


def read_json(data: bytes, *, max_bytes: int, max_depth: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Reads one JSON object that need not be FHIR.

    Refuses a body over `max_bytes`, a byte order mark, other encodings than UTF-8, nesting over `max_depth`,
    duplicate keys, NaN and Infinity, integers over 19 digits, decimals over 40 characters or beyond 10^18, lone
    surrogates, control characters other than tab, CR and LF in strings.
    """
    text = _text(data, max_bytes, max_depth)
    if _UNUSUAL_ESCAPE.search(data) is None:
        # Then strings cannot hold refused characters: if numbers and names are valid, no full check is needed.
        with suppress(_NeedsFullCheck, json.JSONDecodeError):
            return _object_only(_FAST_DECODER.decode(text))
    return _without_faults(_decoded(text), fhir=False)


def _parsed(data: bytes, max_bytes: int, max_depth: int) -> object:
    return _decoded(_text(data, max_bytes, max_depth))


def _text(data: bytes, max_bytes: int, max_depth: int) -> str:
    if len(data) > max_bytes:
        raise BodyTooLarge(f"is larger than {max_bytes} bytes", field="body")
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse("starts with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"is not UTF-8 at byte {error.start}")
    if _nests_deeper(data, min(max_depth, MAX_JSON_DEPTH)):
        _refuse(f"is nested deeper than {min(max_depth, MAX_JSON_DEPTH)} levels")
    return text


def _decoded(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"is not JSON at line {error.lineno}, column {error.colno}")


def _refuse(what: str) -> NoReturn:
    raise NotStrictJson(what, field="body") from None


_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_OPENS = ord("[")


def _nests_deeper(data: bytes, limit: int) -> bool:
    # Counted before parsing, without strings, because the parser itself fails on deep nesting.
    if data.count(b"{") + data.count(b"[") <= limit:
        return False
    brackets = left = _STRING.sub(b"", data).translate(_ONE_KIND, _NO_BRACKET)
    for _ in range(limit):
        left = left.replace(b"[]", b"")  # the innermost level everywhere
        if not left:
            return False
    depth = 0  # too deep, or unbalanced brackets
    for bracket in brackets:
        depth += 1 if bracket == _OPENS else -1
        if depth > limit:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    return _RefusedValue(f"has the member {safe_member_name(twice)} twice")


def _integer(text: str) -> int | Decimal | _RefusedValue:
    if text == "-0":
        return Decimal(text)  # an int would lose the sign
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        return _RefusedValue(f"has more than {MAX_INTEGER_DIGITS} digits")
    return int(text)


def _decimal(text: str) -> Decimal | _RefusedValue:
    if len(text) > MAX_DECIMAL_CHARACTERS:
        return _RefusedValue(f"has more than {MAX_DECIMAL_CHARACTERS} characters")
    value = Decimal(text)
    parts = value.as_tuple()
    lowest = parts.exponent if isinstance(parts.exponent, int) else 0
    if value.adjusted() > MAX_EXPONENT or lowest < -MAX_EXPONENT:
        return _RefusedValue(f"is beyond 10^{MAX_EXPONENT} or finer than 10^-{MAX_EXPONENT}")
    return value


def _constant(_: str) -> _RefusedValue:
    return _RefusedValue("is not a number that JSON knows")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant, strict=True
)


class _NeedsFullCheck(Exception):
    """The fast path found something to refuse; the full check finds its path."""


def _raise_on_refusal(read: Callable[..., Any]) -> Callable[..., Any]:
    def checked_read(value: Any) -> Any:
        found = read(value)
        if type(found) is _RefusedValue:
            raise _NeedsFullCheck
        return found

    return checked_read


_FAST_DECODER = json.JSONDecoder(
    object_pairs_hook=_raise_on_refusal(_object),
    parse_int=_raise_on_refusal(_integer),
    parse_float=_raise_on_refusal(_decimal),
    parse_constant=_raise_on_refusal(_constant),
    strict=True,
)
_UNUSUAL_ESCAPE = re.compile(rb"\\[bfu]")
"""The only escapes that can produce a refused character; unescaped, JSON or UTF-8 forbids it."""


def _object_only(tree: object) -> dict[str, Any]:
    if not isinstance(tree, dict):
        _refuse("is not a JSON object")
    return tree


def _without_faults(tree: object, *, fhir: bool) -> dict[str, Any]:
    faults: list[Fault] = []
    for fault in _faults(tree, "", fhir):
        faults.append(fault)
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise NotStrictJson(faults=faults)
    return _object_only(tree)


def _faults(value: object, path: str, fhir: bool) -> Iterator[Fault]:
    match value:
        case _RefusedValue(what=what):
            yield Fault(path or "body", what)
        case str():
            if fhir and not value:
                yield Fault(path, "is an empty string")
            elif _REFUSED_CHARACTERS.search(value):
                yield Fault(path, "holds a control character or half a character")
        case dict():
            yield from _object_faults(value, path, fhir)
        case list():
            yield from _array_faults(value, path, fhir)
        case None if fhir:
            yield Fault(path or "body", "is null")


def _object_faults(value: dict[str, Any], path: str, fhir: bool) -> Iterator[Fault]:
    if fhir and not value:
        yield Fault(path or "body", "is an empty object")
    for name, member in value.items():
        at = f"{path}.{safe_member_name(name)}" if path else safe_member_name(name)
        if _REFUSED_CHARACTERS.search(name):
            yield Fault(at, "is a name with a control character or half a character")
        elif fhir and name == "fhir_comments":
            yield Fault(at, "is not taken: comments are not data")
        elif fhir and isinstance(member, list) and None in member:
            yield from _placeholder_faults(member, value.get(_sibling(name)), at)
        else:
            yield from _faults(member, at, fhir)


def _sibling(name: str) -> str:
    return name[1:] if name.startswith("_") else f"_{name}"


def _placeholder_faults(values: list[object], sibling: object, path: str) -> Iterator[Fault]:
    # A repeating primitive and the extensions of its repeats are two arrays that align by position. Null is a
    # placeholder in one of the two, so where one is null the other must not be.
    others = sibling if isinstance(sibling, list) else []
    for at, value in enumerate(values):
        if value is not None:
            yield from _faults(value, f"{path}[{at}]", True)
        elif at >= len(others) or others[at] is None:
            yield Fault(f"{path}[{at}]", "is null and holds no place")


def _array_faults(values: list[object], path: str, fhir: bool) -> Iterator[Fault]:
    if fhir and not values:
        yield Fault(path or "body", "is an empty array")
    for at, value in enumerate(values):
        yield from _faults(value, f"{path}[{at}]", fhir)


_REFUSED_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def safe_member_name(name: str) -> str:
    """A member's name for a path; `?` for a name that is no FHIR element name and may be personal data."""
    return name if _NAME.fullmatch(name) else "?"
