"""The BPI-SF: two means and one single item, blanks, bands on exact values, and rules of change."""

from fractions import Fraction

import pytest

from tests.spec import shipped

# answers to the seven items, - for a blank; mean; band (ePPOC; decimals are project policy)
INTERFERENCE = {
    "minimum": ("0 0 0 0 0 0 0", "0.00", "mild"),
    "last of mild, 34/7": ("5 5 5 5 5 5 4", "4.86", "mild"),
    "first of moderate": ("5 5 5 5 5 5 5", "5.00", "moderate"),
    "last of moderate, 48/7": ("7 7 7 7 7 7 6", "6.86", "moderate"),
    "first of severe": ("7 7 7 7 7 7 7", "7.00", "severe"),
    "maximum": ("10 10 10 10 10 10 10", "10.00", "severe"),
    "one blank, mean of six, 35/6": ("5 6 7 4 5 8 -", "5.83", "moderate"),
    "two blanks, mean of five": ("5 5 5 5 6 - -", "5.20", "moderate"),
    "three blanks, mean of four": ("5 6 7 4 - - -", "5.50", "moderate"),
    "four blanks give no score": ("5 6 7 - - - -", None, None),
    "nothing answered gives no score": ("- - - - - - -", None, None),
}

# worst, least, average, now; mean; band
SEVERITY = {
    "minimum": ("0 0 0 0", "0.00", "mild"),
    "last of mild": ("5 5 5 4", "4.75", "mild"),
    "first of moderate": ("5 5 5 5", "5.00", "moderate"),
    "last of moderate": ("7 7 7 6", "6.75", "moderate"),
    "first of severe": ("7 7 7 7", "7.00", "severe"),
    "maximum": ("10 10 10 10", "10.00", "severe"),
    "one blank gives no score": ("8 3 6 -", None, None),
}

# the single item; score; band
AVERAGE_PAIN = {
    "minimum": ("0", "0", "mild"),
    "last of mild": ("4", "4", "mild"),
    "first of moderate": ("5", "5", "moderate"),
    "last of moderate": ("6", "6", "moderate"),
    "first of severe": ("7", "7", "severe"),
    "maximum": ("10", "10", "severe"),
    "not answered gives no score": ("-", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), INTERFERENCE.values(), ids=INTERFERENCE.keys())
def test_interference_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("bpi_sf", "interference", row)
    assert (found.published, found.band) == (score, band)


@pytest.mark.parametrize(("row", "score", "band"), SEVERITY.values(), ids=SEVERITY.keys())
def test_severity_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("bpi_sf", "severity", row)
    assert (found.published, found.band) == (score, band)


@pytest.mark.parametrize(("row", "score", "band"), AVERAGE_PAIN.values(), ids=AVERAGE_PAIN.keys())
def test_average_pain_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("bpi_sf", "average_pain", row)
    assert (found.published, found.band) == (score, band)


def test_only_a_blank_makes_severity_rest_on_its_unconfirmed_rule() -> None:
    assert shipped.score_row("bpi_sf", "severity", "8 3 6 5").unconfirmed == ()
    assert shipped.score_row("bpi_sf", "severity", "8 3 6 -").unconfirmed == ("bpi_sf.severity.blanks",)
    assert shipped.score_row("bpi_sf", "interference", "5 6 7 4 - - -").unconfirmed == ()


# sums of the seven items before and after (ePPOC 1 point, TAC 2 points, pain course 30%)
INTERFERENCE_CHANGES = {
    "7 of 7 points is 1 exactly": (42, 35, ("improved", "unchanged", "unchanged")),
    "6 of 7 points is less": (42, 36, ("unchanged", "unchanged", "unchanged")),
    "12/7 to 5/7 is 1, though not in binary fractions": (12, 5, ("improved", "unchanged", "improved")),
    "16/7 to 9/7 likewise": (16, 9, ("improved", "unchanged", "improved")),
    "61/7 to 54/7 likewise": (61, 54, ("improved", "unchanged", "unchanged")),
    "14 of 7 points is 2": (42, 28, ("improved", "improved", "improved")),
    "1 point up is worse": (35, 42, ("worsened", "unchanged", "unchanged")),
}


@pytest.mark.parametrize(
    ("before", "after", "expected"), INTERFERENCE_CHANGES.values(), ids=INTERFERENCE_CHANGES
)
def test_interference_is_compared_exactly(before: int, after: int, expected: tuple[str, ...]) -> None:
    found = shipped.verdicts("bpi_sf", "interference", Fraction(before, 7), Fraction(after, 7))
    assert tuple(found.values()) == expected


# before, after, what each of these rules says, in their order
RULES = [
    "eppoc.bpi_average_pain.change",
    "immpact.bpi_average_pain.change",
    "suzuki.bpi_average_pain.important_change",
]
CHANGES = {
    "30% exactly": (10, 7, "improved, improved (moderate), improved"),
    "28.6% stays minimal": (7, 5, "unchanged, improved (minimal), improved"),
    "10% exactly is minimal": (10, 9, "unchanged, improved (minimal), unchanged"),
    "50% exactly is substantial": (10, 5, "improved, improved (substantial), improved"),
    "49% would not be: 4 of 9 is 44.4%": (9, 5, "improved, improved (moderate), improved"),
    "from 0 no percentage can be told": (0, 2, "not_assessable, not_assessable, worsened"),
    "40% up is worse": (5, 7, "worsened, worsened (moderate), worsened"),
    "no change": (5, 5, "unchanged, unchanged, unchanged"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("bpi_sf", "average_pain", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected


def test_severity_is_not_counted_and_no_rule_for_one_item_is_put_on_a_mean() -> None:
    severity = shipped.scale("bpi_sf", "severity")
    assert severity.headline_rule is None
    assert shipped.verdicts("bpi_sf", "severity", 6, 4) == {"tac.bpi_severity.important_change": "improved"}
    assert shipped.verdicts("bpi_sf", "severity", 6, Fraction(17, 4)) == {
        "tac.bpi_severity.important_change": "unchanged"
    }


def test_the_24_hour_code_is_not_on_a_form_that_asks_about_the_week() -> None:
    bpi = shipped.instrument("bpi_sf")
    assert bpi.recall == "7d"
    assert not any(scale.codings for scale in bpi.scales)
