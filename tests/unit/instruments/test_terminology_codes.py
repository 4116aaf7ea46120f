"""Codes of terminologies: a slip of the finger is caught, and a code means an answer only where it is offered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.instruments.terminology_codes import (
    LOINC,
    SNOMED,
    find_item,
    find_option,
    is_valid_loinc_code,
    is_valid_snomed_code,
)
from tests.spec import shipped


def shipped_codes(system: str) -> list[str]:
    found = []
    for instrument in shipped.shipped().values():
        codings = [*instrument.codings, *(c for scale in instrument.scales for c in scale.codings)]
        for item in instrument.items:
            codings += [*item.codings, *(coding for option in item.options for coding in option.codings)]
        found += [coding.code for coding in codings if coding.system == system]
    return sorted(set(found))


@given(st.sampled_from(shipped_codes(LOINC)), st.data())
def test_one_wrong_digit_of_a_loinc_code_is_caught(code: str, data: st.DataObject) -> None:
    assert is_valid_loinc_code(code)
    place = data.draw(st.sampled_from([i for i, character in enumerate(code) if character.isdigit()]))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[place]]))
    assert not is_valid_loinc_code(code[:place] + other + code[place + 1 :])


@given(st.sampled_from(shipped_codes(SNOMED)), st.data())
def test_one_wrong_digit_or_two_swapped_of_a_snomed_code_are_caught(code: str, data: st.DataObject) -> None:
    assert is_valid_snomed_code(code)
    place = data.draw(st.integers(0, len(code) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[place]]))
    assert not is_valid_snomed_code(code[:place] + other + code[place + 1 :])
    if place and code[place] != code[place - 1]:
        swapped = code[: place - 1] + code[place] + code[place - 1] + code[place + 1 :]
        assert not is_valid_snomed_code(swapped)


@pytest.mark.parametrize(
    "code", ["", "44249", "44249-", "44249-12", "a4249-1", "0-0", "44249-1 ", "LX6568-5"]
)
def test_what_is_no_loinc_code(code: str) -> None:
    assert not is_valid_loinc_code(code)


@pytest.mark.parametrize("code", ["", "1", "72043300x", "0720433000", "720433000 ", "1" * 19])
def test_what_is_no_snomed_code(code: str) -> None:
    assert not is_valid_snomed_code(code)


def test_a_code_means_an_answer_only_on_an_item_that_offers_it() -> None:
    gad7 = shipped.instrument("gad7")
    item = find_item(gad7, LOINC, "69725-0")
    assert item is not None and item.link_id == "gad7-1"
    assert find_option(item, LOINC, "LA18938-3") is None
    assert find_option(item, SNOMED, "LA6570-1") is None
    assert find_item(gad7, LOINC, "44260-8") is None


def test_no_code_is_shipped_for_what_has_none() -> None:
    with_codes = {
        name
        for name, instrument in shipped.shipped().items()
        if instrument.codings or any(scale.codings for scale in instrument.scales)
    }
    assert with_codes == {"phq9", "gad7", "peg"}
