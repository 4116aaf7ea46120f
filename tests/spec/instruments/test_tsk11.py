"""The TSK-11: a plain sum of eleven, which is to be confirmed, and no bands."""

import pytest

from tests.spec import shipped

# answers to items 1 to 11, - for a blank; total; no band is published for chronic pain
TOTALS = {
    "minimum": ("11111111111", "11", None),
    "items 4 and 8 are not reversed": ("11141114111", "17", None),
    "maximum": ("44444444444", "44", None),
    "one blank gives no score": ("2222222222-", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("tsk11", "total", row)
    assert (found.published, found.band) == (score, band)


def test_every_score_rests_on_the_unconfirmed_sum() -> None:
    assert shipped.score_row("tsk11", "total", "11111111111").unconfirmed == ("tsk11.total.score",)


# before, after, what each of these rules says, in their order
RULES = [
    "woby.tsk11.important_change",
    "commence.tsk11.important_change",
    "woby.tsk11.reliable_change",
]
CHANGES = {
    "4 points are important": (30, 26, "improved, unchanged, unchanged"),
    "3 points are not": (30, 27, "unchanged, unchanged, unchanged"),
    "6 points are for both": (30, 24, "improved, improved, unchanged"),
    "7 points are not reliable": (30, 23, "improved, improved, unchanged"),
    "8 points are": (30, 22, "improved, improved, improved"),
    "8 points up are worse": (22, 30, "worsened, worsened, worsened"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("tsk11", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected
