"""A change as Observation: the difference, the percentage, and one verdict under each rule's own name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.measurement.change_observation import build_change_observation
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.pathway.facts import ResponseStatus
from fhir_pmp.pathway.scale_changes import ScaleChange, ScoredResponse, scale_changes
from tests.unit.fhir.every_resource import AT_START
from tests.unit.fhir.examples import (
    CLINIC,
    DAY_ONLY,
    EPISODE_FACTS,
    INSTRUMENTS,
    MORNING,
    POST,
    START,
    fill_form,
    make_response,
    some_answers,
)


def change(
    instrument: str,
    before: dict[str, int],
    after: dict[str, int],
    scale: str = "total",
    status: ResponseStatus = ResponseStatus.COMPLETED,
) -> ScaleChange:
    responses = (
        make_response(instrument, before, timepoint=START, authored=AT_START, key="before"),
        make_response(instrument, after, timepoint=POST, authored=MORNING, key="after", status=status),
    )
    scored = [ScoredResponse(one, CLINIC.score(one.instrument, one.answers)) for one in responses]
    return next(one for one in scale_changes(CLINIC, EPISODE_FACTS, scored) if one.scale == scale)


def built(of: ScaleChange, *, amended: bool = False) -> dict[str, Any]:
    rendered = build_change_observation(CLINIC, of, amended=amended)
    assert rendered is not None
    return read_fhir_json(rendered.content, max_bytes=10**6)


def components(observation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["code"]["coding"][0]["code"]: one for one in observation["component"]}


def pseq(total: int) -> dict[str, int]:
    """Ten items of 0-6 that add up to the total."""
    return {f"pseq-{n}": total // 10 + (n <= total % 10) for n in range(1, 11)}


def test_rules_disagree_under_their_own_names_and_the_change_itself_has_no_verdict() -> None:
    # RULES-disagree-pseq: 19 to 30 is +11 and another band (ePPOC), and RCI 1.870 (not reliable, SEM 4.16).
    observation = built(change("pseq", pseq(19), pseq(30)))
    assert observation["valueQuantity"]["value"] == 11
    assert "interpretation" not in observation
    by_code = components(observation)
    eppoc = by_code["eppoc.pseq.change.v1"]
    assert eppoc["valueCodeableConcept"]["coding"][0]["code"] == "improved"
    assert eppoc["interpretation"][0]["coding"][0]["code"] == "B"
    reliable = next(one for code, one in by_code.items() if "reliable" in code or "rci" in code)
    assert reliable["valueCodeableConcept"]["coding"][0]["code"] == "unchanged"
    assert "interpretation" not in reliable


def test_a_fall_of_self_efficacy_is_worse_and_says_so_by_rule() -> None:
    by_code = components(built(change("pseq", pseq(30), pseq(19))))
    assert by_code["eppoc.pseq.change.v1"]["interpretation"][0]["coding"][0]["code"] == "W"
    assert by_code["percent-change"]["valueQuantity"]["value"] == Decimal("-36.7")


def test_it_is_derived_from_both_scores_and_names_its_baseline() -> None:
    of = change("phq9", fill_form("phq9", 2), fill_form("phq9", 1))
    observation = built(of)
    assert observation["derivedFrom"] == [
        {"reference": f"Observation/{of.before_score_id}"},
        {"reference": f"Observation/{of.after_score_id}"},
    ]
    assert observation["valueQuantity"]["value"] == -9
    by_code = components(observation)
    assert by_code["baseline-timepoint"]["valueCodeableConcept"]["coding"][0]["code"] == "start"
    assert by_code["percent-change"]["valueQuantity"] == {
        "value": Decimal("-50.0"),
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    assert observation["effectiveDateTime"] == MORNING.text


def test_from_a_baseline_of_0_there_is_no_percentage() -> None:
    percent = components(built(change("phq9", fill_form("phq9", 0), fill_form("phq9", 1))))["percent-change"]
    assert "valueQuantity" not in percent
    assert percent["dataAbsentReason"]["text"] == "the baseline is 0"


def test_a_mean_s_change_has_two_decimals() -> None:
    after = {**fill_form("bpi_sf", 1), "bpi_sf-activity": 6}  # 12/7
    before = {**fill_form("bpi_sf", 0), "bpi_sf-activity": 5}  # 5/7
    observation = built(change("bpi_sf", before, after, "interference"))
    assert str(observation["valueQuantity"]["value"]) == "1.00"


def test_a_score_that_may_not_leave_the_house_leaves_in_no_change() -> None:
    of = change("peg", fill_form("peg", 5), fill_form("peg", 2))
    assert build_change_observation(CLINIC, of) is not None
    unconfirmed = replace(of, unconfirmed=("peg.total.blanks",))
    assert build_change_observation(CLINIC, unconfirmed) is None


@pytest.mark.parametrize(
    ("status", "amended", "expected"),
    [
        (ResponseStatus.COMPLETED, False, "final"),
        (ResponseStatus.COMPLETED, True, "amended"),
        (ResponseStatus.AMENDED, False, "amended"),
    ],
)
def test_it_is_amended_when_a_response_is_or_when_its_ground_moved(
    status: ResponseStatus, amended: bool, expected: str
) -> None:
    of = change("phq9", fill_form("phq9", 2), fill_form("phq9", 1), status=status)
    assert built(of, amended=amended)["status"] == expected


@pytest.mark.promise("P11")
def test_no_rule_that_nobody_confirmed_has_a_component() -> None:
    of = change("pcs", fill_form("pcs", 3), fill_form("pcs", 1))
    assert of.comparison.unconfirmed_rules
    by_code = components(built(of))
    assert not [code for code in by_code if code.rpartition(".v")[0] in of.comparison.unconfirmed_rules]


@given(data=st.data())
def test_a_cached_verdict_is_the_one_that_would_be_built(data: st.DataObject) -> None:
    instrument = data.draw(st.sampled_from(list(INSTRUMENTS.values())))
    status = data.draw(st.sampled_from([ResponseStatus.COMPLETED, ResponseStatus.AMENDED]))
    authored = data.draw(st.sampled_from([MORNING, DAY_ONLY]))
    answers = data.draw(some_answers(instrument))
    before = make_response(instrument.id, answers, timepoint=START, authored=AT_START, key="before")
    after = make_response(
        instrument.id, data.draw(some_answers(instrument)), authored=authored, status=status
    )
    scored = [ScoredResponse(one, CLINIC.score(one.instrument, one.answers)) for one in (before, after)]
    amended = data.draw(st.booleans())
    for of in scale_changes(CLINIC, EPISODE_FACTS, scored):
        empty_cache = replace(CLINIC)
        expected = build_change_observation(empty_cache, of, amended=amended)
        assert build_change_observation(CLINIC, of, amended=amended) == expected
