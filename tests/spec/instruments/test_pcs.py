"""The PCS: sum of thirteen and three sub-scales, complete forms only, published and unconfirmed bands."""

import pytest

from tests.spec import shipped

# answers to items 1 to 13, - for a blank; total; band of the published cut-off (RehabMeasures)
TOTALS = {
    "minimum": ("0000000000000", "0", "below the clinically relevant level"),
    "last below the cut-off": ("3333333332000", "29", "below the clinically relevant level"),
    "first clinically relevant": ("3333333333000", "30", "clinically relevant"),
    "maximum": ("4444444444444", "52", "clinically relevant"),
    "one blank gives no score": ("333333333333-", None, None),
    "nothing answered gives no score": ("-------------", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("pcs", "total", row)
    assert (found.published, found.band) == (score, band)


# answers to items 1 to 13: total, rumination, magnification, helplessness
SUB_SCALES = {
    "items 8 to 11 are rumination": ("0000000444400", "16", "16", "0", "0"),
    "items 6, 7 and 13 are magnification": ("0000044000004", "12", "0", "12", "0"),
    "items 1 to 5 and 12 are helplessness": ("4444400000040", "24", "0", "0", "24"),
    "all at the maximum": ("4444444444444", "52", "16", "12", "24"),
    "a blank leaves only the other sub-scales": ("-111111111111", None, "4", "3", None),
}


@pytest.mark.parametrize(
    ("row", "total", "rumination", "magnification", "helplessness"), SUB_SCALES.values(), ids=SUB_SCALES
)
def test_sub_scales(row: str, total: str, rumination: str, magnification: str, helplessness: str) -> None:
    answers = shipped.answer(shipped.scale("pcs", "total").items, [None if c == "-" else int(c) for c in row])
    found = [score.published for score in shipped.scorer("pcs")(answers)]
    assert found == [total, rumination, magnification, helplessness]


@pytest.mark.parametrize(
    ("score", "label"),
    [(0, "mild"), (19, "mild"), (20, "high"), (29, "high"), (30, "severe"), (52, "severe")],
)
def test_bands_that_are_not_confirmed(score: int, label: str) -> None:
    assert shipped.band_label("pcs", "total", "eppoc", score) == label


# before, after, what each of these rules says, in their order
RULES = [
    "suzuki.pcs.important_change",
    "low_back_pain.pcs.important_change",
    "commence.pcs.important_change",
    "fernandes.pcs.reliable_change",
    "eppoc.pcs.change",
]
CHANGES = {
    "13 points are reliable": (30, 17, "improved, improved, improved, improved, improved"),
    "12 points are not": (30, 18, "improved, improved, improved, unchanged, improved"),
    "8 points, 26.7%": (30, 22, "improved, improved, unchanged, unchanged, improved"),
    "7 points within a band": (29, 22, "improved, unchanged, unchanged, unchanged, unchanged"),
    "6 points into another band": (30, 24, "unchanged, unchanged, unchanged, unchanged, improved"),
    "5 points of 13 are 38.5%": (13, 8, "unchanged, unchanged, improved, unchanged, unchanged"),
    "7 points up into another band are worse": (
        25,
        32,
        "worsened, unchanged, unchanged, unchanged, worsened",
    ),
    "13 points up are worse": (17, 30, "worsened, worsened, worsened, worsened, worsened"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("pcs", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected


def test_the_letter_counts_by_a_published_rule() -> None:
    assert shipped.scale("pcs", "total").headline_rule == "suzuki.pcs.important_change"
