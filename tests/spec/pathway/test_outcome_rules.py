"""Outcomes worked from the published rules: who improved, who did not, and what cannot be known."""

import pytest

from fhir_pmp.identifiers import InstrumentId, LinkId, TimepointId
from fhir_pmp.pathway.facts import EpisodeState
from fhir_pmp.pathway.score_comparison import ChangeDirection
from fhir_pmp.pathway.summary.outcome_summary import Outcome
from tests.spec.pathway.shipped_clinic import (
    INSTRUMENTS,
    ended,
    filled_form,
    form_totalling,
    outcome,
    summary,
    summary_between,
    texts,
    verdicts,
)

POST, FOLLOW_UP = TimepointId("post"), TimepointId("follow_up")
# Average pain is the third item of the printed form: worst, least, average, now; then the seven of interference.
BPI = "5 5 {average} 5  {interference}"


def bpi(average_before: int, average_after: int) -> dict[str, str]:
    seven = "5 5 5 5 5 5 5"
    found = summary(
        filled_form("bpi_sf", "start", BPI.format(average=average_before, interference=seven)),
        filled_form("bpi_sf", "post", BPI.format(average=average_after, interference=seven)),
    )
    return verdicts(found, "bpi_sf.average_pain")


# ePPOC on the PSEQ: at least 7 points and a different band (<20 severe, 20-30 moderate, 31-40 mild, >40 minimal).
@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (19, 26, "improved"),  # 7 points, severe to moderate
        (19, 25, "unchanged"),  # 6 points, although the band differs
        (21, 29, "unchanged"),  # 8 points, moderate both times
        (30, 37, "improved"),  # moderate to mild
        (34, 41, "improved"),  # mild to minimal
        (40, 41, "unchanged"),  # another band, 1 point
        (26, 19, "worsened"),  # the same test mirrored
        (29, 21, "unchanged"),
    ],
)
def test_eppoc_on_self_efficacy_asks_for_points_and_a_band(before: int, after: int, verdict: str) -> None:
    assert verdicts(summary_between("pseq", before, after), "pseq.total")["eppoc.pseq.change"] == verdict


def test_a_rise_of_self_efficacy_is_an_improvement_and_its_rules_may_disagree() -> None:
    found = summary_between("pseq", 19, 30)
    change = outcome(found, "pseq.total").at(POST).change
    assert change is not None
    assert change.comparison.words == "rose by 11 points"
    assert change.comparison.percent_words == "57.9%"  # 11/19
    assert change.comparison.direction is ChangeDirection.BETTER
    named = verdicts(found, "pseq.total")
    assert named["eppoc.pseq.change"] == "improved"
    assert named["dube.pseq.reliable_change"] == "unchanged"  # 11 / (sqrt 2 x 4.16) = 1.870, not above 1.96


# ePPOC on average pain: at least 30% of the single item, the edge included; from 0 there is no percentage.
@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (10, 7, "improved"),  # 30.0% exactly
        (8, 6, "unchanged"),  # 25.0%
        (7, 5, "unchanged"),  # 28.6%
        (3, 2, "improved"),  # 33.3%
        (5, 5, "unchanged"),
        (10, 10, "unchanged"),
        (5, 7, "worsened"),  # 40% up
        (0, 0, "not_assessable"),
        (0, 2, "not_assessable"),
    ],
)
def test_thirty_percent_of_average_pain_is_inclusive(before: int, after: int, verdict: str) -> None:
    assert bpi(before, after)["eppoc.bpi_average_pain.change"] == verdict


def test_from_a_baseline_of_zero_the_headline_is_not_known() -> None:
    seven = "5 5 5 5 5 5 5"
    found = summary(
        filled_form("bpi_sf", "start", BPI.format(average=0, interference=seven)),
        filled_form("bpi_sf", "post", BPI.format(average=2, interference=seven)),
    )
    cell = outcome(found, "bpi_sf.average_pain").at(POST)
    assert cell.change is not None
    assert (cell.change.comparison.percent, cell.change.comparison.words) == (None, "rose by 2 points")
    assert cell.headline is not None
    assert (cell.headline.outcome, cell.headline.reason) == (Outcome.NOT_KNOWN, "baseline 0")


# Interference: one point on the mean of seven, compared exactly. In floating point 12/7 - 5/7 is below 1.
@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("2 2 2 2 2 1 1", "1 1 1 1 1 0 0", "improved"),  # 12/7 - 5/7 = 1
        ("6 6 6 6 6 6 6", "6 5 5 5 5 5 5", "unchanged"),  # 42/7 - 36/7 = 6/7
        ("5 5 5 5 5 5 5", "6 6 6 6 6 6 6", "worsened"),  # 35/7 to 42/7
    ],
)
def test_one_point_of_interference_is_compared_exactly(before: str, after: str, verdict: str) -> None:
    found = summary(
        filled_form("bpi_sf", "start", BPI.format(average=5, interference=before)),
        filled_form("bpi_sf", "post", BPI.format(average=5, interference=after)),
    )
    assert verdicts(found, "bpi_sf.interference")["eppoc.bpi_interference.change"] == verdict


# NHS Talking Therapies: 6 points on the PHQ-9, 4 on the GAD-7.
@pytest.mark.parametrize(
    ("instrument", "rule", "before", "after", "verdict"),
    [
        ("phq9", "iapt.phq9.reliable_change", 15, 9, "improved"),
        ("phq9", "iapt.phq9.reliable_change", 15, 10, "unchanged"),
        ("phq9", "iapt.phq9.reliable_change", 9, 15, "worsened"),
        ("gad7", "iapt.gad7.reliable_change", 12, 8, "improved"),
        ("gad7", "iapt.gad7.reliable_change", 12, 9, "unchanged"),
        ("gad7", "iapt.gad7.reliable_change", 8, 12, "worsened"),
    ],
)
def test_reliable_change_of_mood_and_anxiety(
    instrument: str, rule: str, before: int, after: int, verdict: str
) -> None:
    assert verdicts(summary_between(instrument, before, after), f"{instrument}.total")[rule] == verdict


def test_the_unconfirmed_rule_of_the_pcs_bears_its_mark_and_does_not_count() -> None:
    found = summary_between("pcs", 32, 26)  # 6 points
    change = outcome(found, "pcs.total").at(POST).change
    assert change is not None
    assert "eppoc.pcs.change" in change.comparison.unconfirmed_rules
    assert "eppoc.pcs.change" not in {one.rule.rule.rule_id for one in change.comparison.confirmed}
    headline = outcome(found, "pcs.total").at(POST).headline
    assert headline is not None
    assert headline.outcome is Outcome.UNCHANGED  # Suzuki: 6 is below 6.48


def test_pain_severity_with_a_blank_rests_on_an_unconfirmed_rule() -> None:
    found = summary(
        filled_form("bpi_sf", "start", "6 6 6 6  5 5 5 5 5 5 5"),
        filled_form("bpi_sf", "post", "6 6 6 -  5 5 5 5 5 5 5"),
    )
    cell = outcome(found, "bpi_sf.severity").at(POST)
    assert cell.text == "received and not scorable (3 of 4 answered)"
    assert cell.score is not None
    assert cell.score.unconfirmed == ("bpi_sf.severity.blanks",)
    assert cell.headline is None, "severity names no headline rule"


def test_a_prorated_score_is_marked_and_counts() -> None:
    found = summary(
        filled_form("phq9", "start", form_totalling("phq9", 20)),
        filled_form("phq9", "post", "2 2 2 1 1 2 1 1 -"),  # 12 over 8 of 9: 13.5, half up 14
    )
    cell = outcome(found, "phq9.total").at(POST)
    assert (cell.text, cell.notes) == ("14", ("1 of 9 blank, prorated",))
    assert cell.headline is not None
    assert cell.headline.outcome is Outcome.IMPROVED  # 20 - 14 = 6


@pytest.mark.parametrize(
    ("values", "text", "alert"),
    [
        ("0 0 0 0 0 0 0 0 0", "not at all (0)", False),
        ("0 0 0 0 0 0 0 0 1", "several days (1)", True),
        ("0 0 0 0 0 0 0 0 3", "nearly every day (3)", True),
        # Prorated to 0: the total says nothing about item 9.
        ("0 0 0 0 0 0 0 0 -", "not answered", False),
        # No total at all: the alert does not wait for one.
        ("- - - 0 0 0 0 0 2", "more than half the days (2)", True),
    ],
)
def test_item_nine_speaks_for_itself(values: str, text: str, alert: bool) -> None:
    lines = {(x.item, x.timepoint): x for x in summary(filled_form("phq9", "post", values)).safety}
    line = lines[LinkId("phq9-9"), POST]
    assert (line.text, line.alert) == (text, alert)


def test_item_nine_stands_at_every_timepoint() -> None:
    found = summary(filled_form("phq9", "start", "0 0 0 0 0 0 0 0 0"), today="2026-05-01")
    item_nine = [(line.timepoint, line.text) for line in found.safety if line.item == "phq9-9"]
    assert item_nine == [
        ("screening", "due and not received"),
        ("start", "not at all (0)"),
        ("post", "due and not received"),
        ("follow_up", "not yet due (27 July 2026)"),
    ]


def test_hopelessness_on_the_k10_is_shown_and_raises_no_alert() -> None:
    lines = summary(filled_form("k10", "screening", "5 5 5 5 5 5 5 5 5 5")).safety
    (hopeless,) = [line for line in lines if line.item == "k10-4"]
    assert (hopeless.answer, hopeless.alert, hopeless.timepoint) == (5, False, "screening")


def test_a_missing_follow_up_is_not_known_and_never_no_change() -> None:
    before = filled_form("phq9", "start", form_totalling("phq9", 15))
    found = summary(before, filled_form("phq9", "post", form_totalling("phq9", 7)))
    assert texts(outcome(found, "phq9.total")) == ["due and not received", "15", "7", "due and not received"]
    cell = outcome(found, "phq9.total").at(FOLLOW_UP)
    assert cell.change is None
    assert cell.headline is not None
    assert (cell.headline.outcome, cell.headline.verdict) == (Outcome.NOT_KNOWN, None)
    assert found.result(POST).text == "Of 6 measures: 1 improved, 0 unchanged, 0 worsened, 5 not known"
    assert found.result(FOLLOW_UP).text == "Of 6 measures: 0 improved, 0 unchanged, 0 worsened, 6 not known"


def test_a_follow_up_after_a_missing_post_is_compared_with_the_baseline() -> None:
    found = summary(
        filled_form("phq9", "start", form_totalling("phq9", 15)),
        filled_form("phq9", "follow_up", form_totalling("phq9", 9)),
    )
    assert found.result(POST).improved == 0
    assert found.result(FOLLOW_UP).improved == 1
    assert verdicts(found, "phq9.total", "follow_up")["iapt.phq9.reliable_change"] == "improved"


def test_who_never_started_has_six_measures_not_known() -> None:
    never = ended(EpisodeState.NEVER_STARTED, started_on=None)
    found = summary(filled_form("phq9", "screening", form_totalling("phq9", 5)), episode=never)
    assert texts(outcome(found, "phq9.total")) == ["5", "not offered", "not offered", "not offered"]
    assert found.result(POST).text == "Of 6 measures: 0 improved, 0 unchanged, 0 worsened, 6 not known"
    assert found.next_due is None


def test_every_measure_that_counts_has_a_confirmed_rule() -> None:
    counted = {
        f"{instrument.id}.{scale.id}": next(
            change.rule.status.value for change in scale.changes if change.rule.rule_id == scale.headline_rule
        )
        for instrument in INSTRUMENTS.values()
        for scale in instrument.scales
        if scale.headline_rule is not None
    }
    six = {
        "phq9.total",
        "gad7.total",
        "pcs.total",
        "pseq.total",
        "bpi_sf.interference",
        "bpi_sf.average_pain",
    }
    assert six <= set(counted)
    assert "unconfirmed" not in counted.values()
    assert INSTRUMENTS[InstrumentId("bpi_sf")].scales[0].headline_rule is None
