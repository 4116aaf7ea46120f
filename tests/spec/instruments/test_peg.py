"""The PEG: mean of three, all needed as long as nothing else is confirmed, and no bands."""

from fractions import Fraction

import pytest

from tests.spec import shipped

# average pain, enjoyment, general activity, - for a blank; mean; no band is published
TOTALS = {
    "minimum": ("0 0 0", "0.00", None),
    "one third": ("1 0 0", "0.33", None),
    "two thirds go up": ("1 1 0", "0.67", None),
    "a whole mean": ("7 6 8", "7.00", None),
    "maximum": ("10 10 10", "10.00", None),
    "one blank gives no score": ("7 6 -", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("peg", "total", row)
    assert (found.published, found.band) == (score, band)


def test_only_a_blank_makes_it_rest_on_the_unconfirmed_rule() -> None:
    assert shipped.score_row("peg", "total", "7 6 8").unconfirmed == ()
    assert shipped.score_row("peg", "total", "7 6 -").unconfirmed == ("peg.total.blanks",)


# sums of the three items before and after (Reed 2023: lowest anchor 1 point, highest 1.75)
CHANGES = {
    "3 of 3 points is 1 exactly": (20, 17, ("improved", "unchanged")),
    "2 of 3 points is less": (20, 18, ("unchanged", "unchanged")),
    "5 of 3 points is 1.67": (20, 15, ("improved", "unchanged")),
    "6 of 3 points is 2": (20, 14, ("improved", "improved")),
    "2 points up are worse": (14, 20, ("worsened", "worsened")),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES)
def test_each_end_of_the_published_range_judges_by_itself(
    before: int, after: int, expected: tuple[str, ...]
) -> None:
    found = shipped.verdicts("peg", "total", Fraction(before, 3), Fraction(after, 3))
    assert tuple(found.values()) == expected


def test_the_loinc_codes_are_in_form_order() -> None:
    peg = shipped.instrument("peg")
    assert [item.codings[0].code for item in peg.items] == ["75893-8", "91145-3", "91146-1"]
    assert [peg.codings[0].code, peg.scales[0].codings[0].code] == ["91148-7", "91147-9"]
