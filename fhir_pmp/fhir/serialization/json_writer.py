"""Writes canonical JSON: UTF-8, members in the given order, no white space, exact decimals."""

from decimal import Decimal

import orjson


def write_canonical(value: object) -> bytes:
    """Returns the canonical bytes of a JSON value; equal values give equal bytes.

    Decimals keep their digits (`7.10` stays `7.10`, never an exponent). Raises TypeError for a float, which has already
    lost digits, and for any other value that JSON or FHIR cannot represent.
    """
    _refuse_floats(value)
    return orjson.dumps(value, default=_decimal_as_written)


def _decimal_as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def _refuse_floats(value: object) -> None:
    unchecked = [value]
    for one in unchecked:  # grows while it is read
        if isinstance(one, dict):
            unchecked += one.values()
        elif isinstance(one, list | tuple):
            unchecked += one
        elif isinstance(one, float):
            raise TypeError("a float is never written: decimals are Decimal")
