"""The DASS-21: three sums of seven, each doubled, and the table for doubled scores only."""

import pytest

from fhir_pmp.instruments.definition import RuleStatus
from tests.spec import shipped

# answers to its seven items, - for a blank; doubled sum; band (Lovibond & Lovibond 1995)
DEPRESSION = {
    "minimum": ("0000000", "0", "normal"),
    "last of normal": ("1111000", "8", "normal"),
    "first of mild": ("1111100", "10", "mild"),
    "last of mild": ("1111110", "12", "mild"),
    "first of moderate": ("1111111", "14", "moderate"),
    "last of moderate": ("2221111", "20", "moderate"),
    "first of severe": ("2222111", "22", "severe"),
    "last of severe": ("2222221", "26", "severe"),
    "first of extremely severe": ("2222222", "28", "extremely severe"),
    "maximum": ("3333333", "42", "extremely severe"),
    "one blank, 6 x 7/6 = 7, doubled": ("111111-", "14", "moderate"),
    "one blank, 3 x 7/6 = 3.5 goes up to 4 before it is doubled": ("111000-", "8", "normal"),
    "two blanks give no score": ("11111--", None, None),
    "nothing answered gives no score": ("-------", None, None),
}

# likewise
ANXIETY = {
    "minimum": ("0000000", "0", "normal"),
    "last of normal": ("1110000", "6", "normal"),
    "first of mild": ("1111000", "8", "mild"),
    "raw 5 is moderate, whatever a raw table says": ("1111100", "10", "moderate"),
    "last of moderate": ("1111111", "14", "moderate"),
    "first of severe": ("2111111", "16", "severe"),
    "last of severe": ("2211111", "18", "severe"),
    "first of extremely severe": ("2221111", "20", "extremely severe"),
    "maximum": ("3333333", "42", "extremely severe"),
    "one blank is taken": ("222222-", "28", "extremely severe"),
    "two blanks give no score": ("11111--", None, None),
}

# likewise
STRESS = {
    "minimum": ("0000000", "0", "normal"),
    "last of normal": ("1111111", "14", "normal"),
    "first of mild": ("2111111", "16", "mild"),
    "last of mild": ("2211111", "18", "mild"),
    "first of moderate": ("2221111", "20", "moderate"),
    "last of moderate": ("2222211", "24", "moderate"),
    "first of severe": ("2222221", "26", "severe"),
    "last of severe": ("3322222", "32", "severe"),
    "first of extremely severe": ("3332222", "34", "extremely severe"),
    "maximum": ("3333333", "42", "extremely severe"),
    "one blank is taken": ("222222-", "28", "severe"),
    "two blanks give no score": ("11111--", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), DEPRESSION.values(), ids=DEPRESSION.keys())
def test_depression_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("dass21", "depression", row)
    assert (found.published, found.band) == (score, band)


@pytest.mark.parametrize(("row", "score", "band"), ANXIETY.values(), ids=ANXIETY.keys())
def test_anxiety_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("dass21", "anxiety", row)
    assert (found.published, found.band) == (score, band)


@pytest.mark.parametrize(("row", "score", "band"), STRESS.values(), ids=STRESS.keys())
def test_stress_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("dass21", "stress", row)
    assert (found.published, found.band) == (score, band)


def test_which_item_belongs_to_which_scale() -> None:
    numbers = {
        scale.id: [int(link_id.removeprefix("dass21-")) for link_id in scale.items]
        for scale in shipped.instrument("dass21").scales
    }
    assert numbers == {
        "depression": [3, 5, 10, 13, 16, 17, 21],
        "anxiety": [2, 4, 7, 9, 15, 19, 20],
        "stress": [1, 6, 8, 11, 12, 14, 18],
    }


@pytest.mark.parametrize("scale", ["depression", "anxiety", "stress"])
def test_only_a_blank_makes_a_score_rest_on_the_unconfirmed_blanks_rule(scale: str) -> None:
    assert shipped.score_row("dass21", scale, "1111111").unconfirmed == ()
    assert shipped.score_row("dass21", scale, "111111-").unconfirmed == (f"dass21.{scale}.blanks",)


@pytest.mark.parametrize("scale", ["depression", "anxiety", "stress"])
def test_no_letter_counts_by_a_rule_that_is_not_confirmed(scale: str) -> None:
    found = shipped.scale("dass21", scale)
    assert found.headline_rule is None
    assert [change.rule.status for change in found.changes] == [RuleStatus.UNCONFIRMED]


# before, after, what each of these rules says, in their order
RULES = [
    "eppoc.dass21_depression.change",
]
CHANGES = {
    "6 points within a band": (20, 14, "unchanged"),
    "6 points into another band": (22, 16, "improved"),
    "2 points into another band": (14, 12, "unchanged"),
    "6 points up into another band are worse": (16, 22, "worsened"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("dass21", "depression", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected
