"""The K10: sum of ten in the Australian coding, complete forms only, two sets of bands."""

import pytest

from fhir_pmp.instruments.scoring import AnswerNotOffered, check_answers
from tests.spec import shipped

# answers to items 1 to 10, - for a blank; total; band (ABS)
TOTALS = {
    "minimum": ("1111111111", "10", "low"),
    "last of low": ("2222211111", "15", "low"),
    "first of moderate": ("2222221111", "16", "moderate"),
    "last of moderate": ("3222222222", "21", "moderate"),
    "first of high": ("3322222222", "22", "high"),
    "last of high": ("3333333332", "29", "high"),
    "first of very high": ("3333333333", "30", "very high"),
    "maximum": ("5555555555", "50", "very high"),
    "one blank gives no score": ("333333333-", None, None),
    "nothing answered gives no score": ("----------", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("k10", "total", row)
    assert (found.published, found.band) == (score, band)


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (10, "well"),
        (19, "well"),
        (20, "mild"),
        (24, "mild"),
        (25, "moderate"),
        (29, "moderate"),
        (30, "severe"),
    ],
)
def test_bands_whose_words_are_not_confirmed(score: int, label: str) -> None:
    assert shipped.band_label("k10", "total", "crufad", score) == label


def test_a_zero_is_no_answer_in_this_coding() -> None:
    with pytest.raises(AnswerNotOffered):
        check_answers(shipped.instrument("k10"), {"k10-1": 0})


RULES = [
    "measurely.k10.reliable_change",
]
CHANGES = {
    "7 points are reliable": (30, 23, "improved"),
    "6 points are not": (30, 24, "unchanged"),
    "7 points up are worse": (23, 30, "worsened"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("k10", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected


def test_item_4_is_shown_and_raises_no_flag() -> None:
    (safety,) = shipped.instrument("k10").safety_items
    assert (safety.item, safety.flag_from) == ("k10-4", None)
