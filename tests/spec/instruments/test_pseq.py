"""The PSEQ: sum of ten, complete forms only, and a rise is an improvement."""

import pytest

from tests.spec import shipped

# answers to items 1 to 10, - for a blank; total; band (TAC, Measurely)
TOTALS = {
    "minimum": ("0000000000", "0", "severe"),
    "last of severe": ("2222222221", "19", "severe"),
    "first of moderate": ("2222222222", "20", "moderate"),
    "last of moderate": ("3333333333", "30", "moderate"),
    "first of mild": ("4333333333", "31", "mild"),
    "last of mild": ("4444444444", "40", "mild"),
    "first of minimal": ("5444444444", "41", "minimal"),
    "maximum": ("6666666666", "60", "minimal"),
    "one blank gives no score": ("666666666-", None, None),
    "nothing answered gives no score": ("----------", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("pseq", "total", row)
    assert (found.published, found.band) == (score, band)


# before, after, what each of these rules says, in their order
RULES = [
    "eppoc.pseq.change",
    "suzuki.pseq.important_change",
    "commence.pseq.important_change",
    "dube.pseq.reliable_change",
]
CHANGES = {
    "8 points within a band are not ePPOC's": (21, 29, "unchanged, improved, unchanged, unchanged"),
    "7 points into another band are": (19, 26, "improved, improved, unchanged, unchanged"),
    "6 points into another band are not": (19, 25, "unchanged, unchanged, unchanged, unchanged"),
    "11 points are not reliable": (19, 30, "improved, improved, improved, unchanged"),
    "12 points are": (19, 31, "improved, improved, improved, improved"),
    "7 points down into another band are worse": (26, 19, "worsened, worsened, unchanged, unchanged"),
    "12 points down are worse": (31, 19, "worsened, worsened, worsened, worsened"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("pseq", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected
