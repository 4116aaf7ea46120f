"""Answers checked and scored: every fault at once, no value echoed, exact numbers, published text."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.errors import NotUnderstood
from fhir_pmp.identifiers import LinkId
from fhir_pmp.instruments.scoring import (
    AnswerNotOffered,
    UnknownItem,
    check_answers,
    compile_checker,
    decimal_text,
    published_text,
    round_half_up,
)
from tests.spec import shipped


def test_every_fault_of_the_answers_is_told_at_once_and_no_answer_is_echoed() -> None:
    answers = {"phq9-1": 7, "phq9-2": 1, "phq9-10": 2, "phq9-3": True, "gad7-1": 1}
    with pytest.raises(UnknownItem) as raised:
        check_answers(shipped.instrument("phq9"), answers)
    assert [str(fault) for fault in raised.value.faults] == [
        "phq9-10: is not an item of this instrument",
        "gad7-1: is not an item of this instrument",
        "phq9-1: is not an answer that is offered (whole numbers 0 to 3)",
        "phq9-3: is not an answer that is offered (whole numbers 0 to 3)",
    ]
    assert isinstance(raised.value, NotUnderstood)


@pytest.mark.parametrize("wrong", [-2, -4, -5, 99, 11, 3.0, 2.5, "3", None, True, [], {}, b"3"])
def test_what_is_no_offered_whole_number_is_refused(wrong: object) -> None:
    with pytest.raises(AnswerNotOffered) as raised:
        check_answers(shipped.instrument("bpi_sf"), {"bpi_sf-worst": wrong})
    assert [fault.field for fault in raised.value.faults] == ["bpi_sf-worst"]


def test_good_answers_come_back_as_a_copy() -> None:
    given_answers: dict[str, object] = {"peg-1": 10, "peg-3": 0}
    checked = compile_checker(shipped.instrument("peg"))(given_answers)
    assert checked == given_answers and checked is not given_answers
    assert check_answers(shipped.instrument("peg"), {}) == {}


def test_an_answer_to_another_item_is_not_offered_by_this_one() -> None:
    with pytest.raises(AnswerNotOffered):
        check_answers(shipped.instrument("satisfaction"), {"satisfaction-recommend": 5})


def test_a_form_with_blanks_scores_what_can_be_scored() -> None:
    scores = shipped.scorer("bpi_sf")({LinkId("bpi_sf-average"): 5})
    assert [(score.scale, score.published, score.answered, score.blanks) for score in scores] == [
        ("severity", None, 1, 3),
        ("interference", None, 0, 7),
        ("average_pain", "5", 1, 0),
    ]


def test_the_same_answers_are_the_same_score() -> None:
    score = shipped.scorer("phq9")
    answers = shipped.answer(shipped.scale("phq9", "total").items, [1] * 9)
    assert score(answers)[0] is score(dict(answers))[0]


DECIMALS = {
    "half up": ("0.125", 2, "0.13"),
    "down": ("0.1249", 2, "0.12"),
    "a fall is rounded as a rise is": ("-0.125", 2, "-0.13"),
    "no minus before nothing": ("-0.001", 2, "0.00"),
    "a third": ("1/3", 2, "0.33"),
    "carried over": ("9.995", 2, "10.00"),
    "whole": ("4.5", 0, "5"),
    "a whole fall": ("-4.5", 0, "-5"),
    "one place": ("26.65", 1, "26.7"),
}


@pytest.mark.parametrize(("value", "places", "text"), DECIMALS.values(), ids=DECIMALS)
def test_decimal_text(value: str, places: int, text: str) -> None:
    assert decimal_text(Fraction(value), places) == text


def test_changes_are_published_like_scores() -> None:
    assert published_text(shipped.scale("phq9", "total"), Fraction(-6)) == "-6"
    assert published_text(shipped.scale("bpi_sf", "interference"), Fraction(-6, 7)) == "-0.86"


@given(st.integers(0, 200), st.integers(1, 13), st.data())
def test_rounding_is_the_integer_formula(total: int, items: int, data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, items - 1))
    answered = items - missing
    published_formula = (2 * items * total + answered) // (2 * answered)  # clinical reference 2.2
    assert round_half_up(Fraction(items * total, answered)) == published_formula
