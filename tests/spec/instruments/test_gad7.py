"""The GAD-7: sum of seven, two blanks prorated, bands, rules of change, and item 2's two codes."""

import pytest

from fhir_pmp.instruments.terminology_codes import LOINC, find_option
from tests.spec import shipped

# answers to items 1 to 7, - for a blank; total; band (DC/TMD)
TOTALS = {
    "minimum": ("0000000", "0", "minimal"),
    "last of minimal": ("1111000", "4", "minimal"),
    "first of mild": ("1111100", "5", "mild"),
    "last of mild": ("2211111", "9", "mild"),
    "first of moderate": ("2221111", "10", "moderate"),
    "last of moderate": ("2222222", "14", "moderate"),
    "first of severe": ("3222222", "15", "severe"),
    "maximum": ("3333333", "21", "severe"),
    "one blank, 3 x 7/6 = 3.5 goes up": ("111000-", "4", "minimal"),
    "one blank, 9 x 7/6 = 10.5 goes up": ("222111-", "11", "moderate"),
    "one blank, 15 x 7/6 = 17.5 goes up": ("333222-", "18", "severe"),
    "two blanks, 8 x 7/5 = 11.2": ("22112--", "11", "moderate"),
    "three blanks give no score": ("1111---", None, None),
    "nothing answered gives no score": ("-------", None, None),
}


@pytest.mark.parametrize(("row", "score", "band"), TOTALS.values(), ids=TOTALS.keys())
def test_total_and_its_band(row: str, score: str | None, band: str | None) -> None:
    found = shipped.score_row("gad7", "total", row)
    assert (found.published, found.band) == (score, band)


# before, after, what each of these rules says, in their order
RULES = [
    "iapt.gad7.reliable_change",
    "toussaint.gad7.important_change",
    "kounali.gad7.important_change",
    "pain_course.gad7.responder",
]
CHANGES = {
    "4 points of 14, 28.6%": (14, 10, "improved, improved, improved, unchanged"),
    "3 points of 10 are 30%": (10, 7, "unchanged, unchanged, improved, improved"),
    "3 points of 11 are 27.3%": (11, 8, "unchanged, unchanged, improved, unchanged"),
    "3 points of 12 are 25%": (12, 9, "unchanged, unchanged, unchanged, unchanged"),
    "4 points up are worse": (7, 11, "worsened, worsened, worsened, worsened"),
    "from 0 no percentage can be told": (0, 4, "worsened, worsened, not_assessable, not_assessable"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_each_rule_judges_the_change_under_its_own_name(before: int, after: int, expected: str) -> None:
    found = shipped.verdicts("gad7", "total", before, after)
    assert list(found) == RULES
    assert ", ".join(found.values()) == expected


def test_caseness_starts_at_8() -> None:
    assert shipped.band_label("gad7", "total", "caseness", 7) == "below caseness"
    assert shipped.band_label("gad7", "total", "caseness", 8) == "case"


def test_the_second_code_for_2_is_taken_on_item_2_alone() -> None:
    for item in shipped.instrument("gad7").items:
        option = find_option(item, LOINC, "LA18938-3")
        assert (option is not None and option.value == 2) == (item.link_id == "gad7-2")
        written = find_option(item, LOINC, "LA6570-1")
        assert written is not None and written.codings[0].code == "LA6570-1"


def test_the_loinc_codes_are_in_form_order() -> None:
    gad7 = shipped.instrument("gad7")
    codes = [item.codings[0].code for item in gad7.items]
    assert codes == ["69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"]
    assert [coding.code for coding in gad7.scales[0].codings] == ["70274-6", "445455005"]
