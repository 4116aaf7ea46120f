"""The PHQ-9: sum of nine, two blanks prorated, bands, rules of change, and item 9 on its own."""

import pytest

from tests.spec import shipped

# answers to items 1 to 9, - for a blank; total; band (DC/TMD; CMS for the blanks)
TOTALS = {
    "minimum": ("000000000", "0", "minimal"),
    "last of minimal": ("111100000", "4", "minimal"),
    "first of mild": ("111110000", "5", "mild"),
    "last of mild": ("111111111", "9", "mild"),
    "first of moderate": ("211111111", "10", "moderate"),
    "last of moderate": ("222221111", "14", "moderate"),
    "first of moderately severe": ("222222111", "15", "moderately severe"),
    "last of moderately severe": ("322222222", "19", "moderately severe"),
    "first of severe": ("332222222", "20", "severe"),
    "maximum": ("333333333", "27", "severe"),
    "one blank, 4 x 9/8 = 4.5 goes up and is mild": ("11110000-", "5", "mild"),
    "one blank, 12 x 9/8 = 13.5 goes up": ("22221111-", "14", "moderate"),
    "one blank, 20 x 9/8 = 22.5 goes up": ("33333221-", "23", "severe"),
    "two blanks, 10 x 9/7 = 12.86 goes to the nearest": ("2211112--", "13", "moderate"),
    "two blanks, the rest zero": ("0000000--", "0", "minimal"),
    "two blanks, the rest at the maximum": ("3333333--", "27", "severe"),
    "three blanks give no score": ("222222---", None, None),
    "nothing answered gives no score": ("---------", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("phq9", "total", row)
    assert (found.published, found.band) == (score, band)


# before, after, what each of these rules says, in their order
RULES = [
    "iapt.phq9.reliable_change",
    "commence.phq9.important_change",
    "kounali.phq9.important_change",
    "pain_course.phq9.responder",
]
CHANGES = {
    "6 points are reliable": (20, 14, "improved, improved, improved, improved"),
    "5 points are important and not reliable": (20, 15, "unchanged, improved, improved, unchanged"),
    "4 points of 20 are 20%": (20, 16, "unchanged, unchanged, improved, unchanged"),
    "3 points of 20 are nothing": (20, 17, "unchanged, unchanged, unchanged, unchanged"),
    "30% exactly counts": (10, 7, "unchanged, unchanged, improved, improved"),
    "6 points up are worse": (12, 18, "worsened, worsened, worsened, worsened"),
    "from 0 no percentage can be told": (0, 6, "worsened, worsened, not_assessable, not_assessable"),
    "no change": (9, 9, "unchanged, unchanged, unchanged, unchanged"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("phq9", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected


def test_caseness_starts_at_10() -> None:
    assert shipped.band_label("phq9", "total", "caseness", 9) == "below caseness"
    assert shipped.band_label("phq9", "total", "caseness", 10) == "case"


def test_the_difficulty_item_is_in_no_scale() -> None:
    phq9 = shipped.instrument("phq9")
    answers = shipped.answer([item.link_id for item in phq9.items], [1] * 9 + [3])
    assert [score.published for score in shipped.scorer("phq9")(answers)] == ["9"]


def test_a_prorated_total_says_so_and_counts_its_blanks() -> None:
    score = shipped.score_row("phq9", "total", "00000000-")
    assert (score.prorated, score.blanks, score.answered, score.published) == (True, 1, 8, "0")
    complete = shipped.score_row("phq9", "total", "000000000")
    assert (complete.prorated, complete.blanks) == (False, 0)


@pytest.mark.promise("P9")
def test_item_9_raises_a_flag_from_1() -> None:
    (safety,) = shipped.instrument("phq9").safety_items
    assert (safety.item, safety.flag_from) == ("phq9-9", 1)


def test_the_order_of_the_difficulty_codes_is_severity_not_number() -> None:
    difficulty = shipped.instrument("phq9").items[-1]
    codes = [option.codings[0].code for option in difficulty.options]
    assert codes == ["LA6572-7", "LA6573-5", "LA6575-0", "LA6574-3"]
    assert [option.value for option in difficulty.options] == [0, 1, 2, 3]


def test_the_loinc_codes_are_in_form_order() -> None:
    phq9 = shipped.instrument("phq9")
    assert [item.codings[0].code for item in phq9.items] == [
        *("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"),
        "69722-7",
    ]
    assert [coding.code for coding in phq9.scales[0].codings] == ["44261-6", "720433000"]
