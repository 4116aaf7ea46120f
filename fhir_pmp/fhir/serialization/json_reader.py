"""Reads JSON bodies strictly, of requests and of EHR responses, and refuses ambiguous ones."""

import json
import re
from collections import Counter
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
    return _without_faults(_parsed(data, max_bytes, max_depth), fhir=False)


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
    counts = Counter(name for name, _ in pairs)
    twice = next(name for name, count in counts.items() if count > 1)
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


def _object_only(tree: object) -> dict[str, Any]:
    if not isinstance(tree, dict):
        _refuse("is not a JSON object")
    return tree


def _without_faults(tree: object, *, fhir: bool) -> dict[str, Any]:
    collector = _FaultCollector(fhir)
    collector.check(tree, None)
    if collector.faults:
        raise NotStrictJson(faults=collector.faults)
    return _object_only(tree)


_Place = tuple["_Place", str | int] | None
"""Where a value is in the body: the place of its container, and its name or position there."""


class _FaultCollector:
    """Collects the faults of a parsed body. Raises NotStrictJson as soon as there are MAX_FAULTS."""

    def __init__(self, fhir: bool) -> None:
        self.faults: list[Fault] = []
        self._fhir = fhir

    def check(self, value: object, place: _Place) -> None:
        """Checks one value and all that it holds."""
        if isinstance(value, str):
            if self._fhir and not value:
                self._add_fault(place, "is an empty string")
            elif _has_refused_character(value):
                self._add_fault(place, "holds a control character or half a character")
        elif isinstance(value, dict):
            self._check_object(value, place)
        elif isinstance(value, list):
            self._check_array(value, place)
        elif isinstance(value, _RefusedValue):
            self._add_fault(place, value.what)
        elif value is None and self._fhir:
            self._add_fault(place, "is null")

    def _check_object(self, members: dict[str, Any], place: _Place) -> None:
        if self._fhir and not members:
            self._add_fault(place, "is an empty object")
        for name, member in members.items():
            at = (place, name)
            if _has_refused_character(name):
                self._add_fault(at, "is a name with a control character or half a character")
            elif self._fhir and name == "fhir_comments":
                self._add_fault(at, "is not taken: comments are not data")
            elif self._fhir and isinstance(member, list) and None in member:
                self._check_array_with_nulls(member, members.get(_sibling(name)), at)
            else:
                self.check(member, at)

    def _check_array(self, values: list[object], place: _Place) -> None:
        if self._fhir and not values:
            self._add_fault(place, "is an empty array")
        for position, value in enumerate(values):
            self.check(value, (place, position))

    def _check_array_with_nulls(self, values: list[object], sibling: object, place: _Place) -> None:
        # A repeating primitive and the extensions of its repeats are two arrays that align by position. Null is a
        # placeholder in one of the two, so where one is null the other must not be.
        others = sibling if isinstance(sibling, list) else []
        for position, value in enumerate(values):
            if value is not None:
                self.check(value, (place, position))
            elif position >= len(others) or others[position] is None:
                self._add_fault((place, position), "is null and holds no place")

    def _add_fault(self, place: _Place, what: str) -> None:
        self.faults.append(Fault(_path(place), what))
        if len(self.faults) == MAX_FAULTS:
            raise NotStrictJson(faults=self.faults)


def _path(place: _Place) -> str:
    # Built only for a fault: deep in a body a path has thousands of characters.
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f"[{step}]" if isinstance(step, int) else f".{safe_member_name(step)}")
    return "".join(reversed(steps)).removeprefix(".") or "body"


def _sibling(name: str) -> str:
    return name[1:] if name.startswith("_") else f"_{name}"


_REFUSED_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def _has_refused_character(text: str) -> bool:
    # No refused character is printable, and most texts are.
    return not text.isprintable() and _REFUSED_CHARACTERS.search(text) is not None


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def safe_member_name(name: str) -> str:
    """Returns a member's name for a path; `?` for anything but a FHIR element name.

    Such a name may be personal data.
    """
    return name if _NAME.fullmatch(name) else "?"
