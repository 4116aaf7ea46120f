"""One value, one text: the bytes are hashed and sent again as they are."""

from decimal import Decimal

import pytest

from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.json_writer import write_canonical


@pytest.mark.parametrize(
    "digits", ["7.10", "0", "-0.0", "19", "0.010", "123456789012345678", "0.100000000000000000", "-12.50"]
)
def test_a_decimal_keeps_its_own_digits_through_read_and_write(digits: str) -> None:
    body = b'{"value":%b}' % digits.encode()
    assert write_canonical(read_fhir_json(body, max_bytes=100)) == body
    assert write_canonical({"value": Decimal(digits)}) == body


def test_a_decimal_is_never_written_with_an_exponent() -> None:
    assert write_canonical([Decimal("1E+3"), Decimal("1E-7")]) == b"[1000,0.0000001]"


def test_members_stay_in_the_order_given_and_nothing_is_escaped_that_need_not_be() -> None:
    assert (
        write_canonical({"b": "é </script>", "a": [1, True]}) == '{"b":"é </script>","a":[1,true]}'.encode()
    )


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), [{"a": 0.1}], Decimal("NaN"), Decimal("Infinity"), object()]
)
def test_what_has_lost_digits_or_is_no_json_is_never_written(value: object) -> None:
    with pytest.raises(TypeError):
        write_canonical({"a": value})
