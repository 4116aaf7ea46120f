"""A score as Observation: one shape whatever the instrument, a number or the reason why there is none, never both."""

from typing import Any

import pytest

from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.systems import DATA_ABSENT_REASON, LOINC, SNOMED_CT, UCUM
from fhir_pmp.pathway.facts import Response, ResponseStatus
from tests.unit.fhir.examples import CLINIC, DAY_ONLY, build_all, fill_form, make_response

SCALES = "https://pmp.example/fhir/CodeSystem/scales"


def content(rendered: RenderedResource) -> dict[str, Any]:
    return read_fhir_json(rendered.content, max_bytes=10**6)


def observations(response: Response) -> dict[str, dict[str, Any]]:
    """The Observations of a response by their own code."""
    built = [content(one) for one in build_all(response) if one.type == "Observation"]
    return {one["code"]["coding"][-1]["code"]: one for one in built}


def stated(observation: dict[str, Any]) -> dict[str, Any]:
    """What its components say, by code."""
    return {
        component["code"]["coding"][0]["code"]: next(v for k, v in component.items() if k.startswith("value"))
        for component in observation["component"]
    }


def test_a_complete_phq9_of_ones_is_a_mild_9() -> None:
    response = make_response("phq9", fill_form("phq9", 1))
    score = observations(response)["phq9.total"]
    assert score["status"] == "final"
    assert score["category"][0]["coding"][0]["code"] == "survey"
    assert [(one["system"], one["code"]) for one in score["code"]["coding"]] == [
        (LOINC, "44261-6"),
        (SNOMED_CT, "720433000"),
        (SCALES, "phq9.total"),
    ]
    assert score["valueQuantity"] == {"value": 9, "unit": "{score}", "system": UCUM, "code": "{score}"}
    assert "dataAbsentReason" not in score
    assert score["interpretation"][0]["text"] == "mild"
    assert [one["text"] for one in score["referenceRange"]] == [
        "minimal: 0 to 4",
        "mild: 5 to 9",
        "moderate: 10 to 14",
        "moderately severe: 15 to 19",
        "severe: 20 to 27",
    ]
    assert (score["referenceRange"][1]["low"]["value"], score["referenceRange"][1]["high"]["value"]) == (5, 9)
    assert score["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{response.id}"}]
    assert score["subject"] == {"reference": f"Patient/{response.person}"}
    assert score["performer"] == [{"reference": f"Patient/{response.person}"}]
    assert score["effectiveDateTime"] == score["issued"] == "2026-03-01T10:11:12+11:00"
    assert stated(score) == {"items-answered": 9, "items-blank": 0, "prorated": False}
    assert "note" not in score
    assert score["method"]["coding"][0]["code"] == "phq9.total.score.v1"


def test_a_date_without_a_time_gives_no_instant() -> None:
    for resource in build_all(make_response("phq9", fill_form("phq9", 1), authored=DAY_ONLY)):
        built = content(resource)
        assert "issued" not in built
        assert built.get("effectiveDateTime", built.get("authored")) == "2026-03-01"


def test_a_prorated_score_says_so_and_by_which_rule() -> None:
    # Two blanks of nine: 7 x 1 = 7, 7 x 9 / 7 = 9 (CMS IRF-PAI v5.02.1).
    score = observations(make_response("phq9", fill_form("phq9", 1, item1=None, item2=None)))["phq9.total"]
    assert score["valueQuantity"]["value"] == 9
    assert score["note"] == [{"text": "7 of 9 items answered; prorated"}]
    parts = stated(score)
    assert (parts["items-answered"], parts["items-blank"], parts["prorated"]) == (7, 2, True)
    assert parts["blanks-rule"]["coding"][0]["code"] == "phq9.total.blanks.v1"


def test_too_many_blanks_leave_a_reason_instead_of_a_number() -> None:
    score = observations(make_response("phq9", fill_form("phq9", 1, item1=None, item2=None, item3=None)))[
        "phq9.total"
    ]
    assert "valueQuantity" not in score
    assert score["dataAbsentReason"]["coding"] == [{"system": DATA_ABSENT_REASON, "code": "unknown"}]
    assert score["dataAbsentReason"]["text"] == "not scorable: 6 of 9 items answered"
    assert "interpretation" not in score
    assert "referenceRange" not in score


def test_a_mean_is_published_to_two_decimals_half_up() -> None:
    # Interference 12/7 = 1.714...
    answers = {**fill_form("bpi_sf", 1), "bpi_sf-activity": 6}
    score = observations(make_response("bpi_sf", answers))["bpi_sf.interference"]
    assert str(score["valueQuantity"]["value"]) == "1.71"


def test_a_bound_that_is_not_included_stands_in_the_text_alone() -> None:
    # POLICY: below 5 mild, 5 to below 7 moderate, 7 and above severe.
    score = observations(make_response("bpi_sf", fill_form("bpi_sf", 6)))["bpi_sf.interference"]
    mild, moderate, severe = score["referenceRange"]
    assert ("low" in mild, "high" in mild, mild["text"]) == (True, False, "mild: 0 to below 5")
    assert ("low" in moderate, "high" in moderate, moderate["text"]) == (
        True,
        False,
        "moderate: 5 to below 7",
    )
    assert ("low" in severe, "high" in severe, severe["text"]) == (True, True, "severe: 7 to 10")


def test_sub_scales_are_members_of_the_scale_they_are_part_of() -> None:
    response = make_response("pcs", fill_form("pcs", 2))
    built = observations(response)
    assert built["pcs.total"]["hasMember"] == [
        {"reference": f"Observation/{built[f'pcs.{name}']['id']}"}
        for name in ("rumination", "magnification", "helplessness")
    ]
    assert "hasMember" not in built["pcs.rumination"]


@pytest.mark.promise("P11")
@pytest.mark.parametrize(
    ("instrument", "answers", "published"),
    [
        # Scored by an UNCONFIRMED rule: never.
        ("tsk11", fill_form("tsk11", 2), set()),
        # UNCONFIRMED blanks rules: a complete form does not rest on them, one with blanks does.
        ("peg", fill_form("peg", 2), {"peg.total"}),
        ("peg", fill_form("peg", 2, **{"1": None}), set()),
        ("dass21", fill_form("dass21", 1), {"dass21.depression", "dass21.anxiety", "dass21.stress"}),
        ("dass21", fill_form("dass21", 1, **{"3": None}), {"dass21.anxiety", "dass21.stress"}),
    ],
)
def test_no_observation_rests_on_a_rule_that_nobody_confirmed(
    instrument: str, answers: dict[str, int], published: set[str]
) -> None:
    response = make_response(instrument, answers)
    assert set(observations(response)) == published
    assert build_all(response)[0].type == "QuestionnaireResponse"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ResponseStatus.COMPLETED, ("completed", "final")),
        (ResponseStatus.AMENDED, ("amended", "amended")),
        (ResponseStatus.ENTERED_IN_ERROR, ("entered-in-error", "entered-in-error")),
    ],
)
def test_the_observations_follow_the_state_of_their_response(
    status: ResponseStatus, expected: tuple[str, str]
) -> None:
    response, *rest = [
        content(one) for one in build_all(make_response("phq9", fill_form("phq9", 1), status=status))
    ]
    assert response["status"] == expected[0]
    assert {one["status"] for one in rest} == {expected[1]}


def test_a_safety_answer_is_shown_whatever_the_total() -> None:
    answer = observations(make_response("phq9", fill_form("phq9", 0, item9=2)))["phq9-9"]
    assert answer["code"]["coding"][0] == {"system": LOINC, "code": "44260-8"}
    assert answer["valueCodeableConcept"]["coding"][0]["code"] == "LA6570-1"
    assert answer["valueCodeableConcept"]["text"] == "More than half the days"
    assert stated(answer) == {"answer-value": 2}


def test_a_zero_and_a_blank_are_two_things() -> None:
    zero = observations(make_response("phq9", fill_form("phq9", 1, item9=0)))["phq9-9"]
    assert stated(zero) == {"answer-value": 0}
    assert "dataAbsentReason" not in zero
    blank = observations(make_response("phq9", fill_form("phq9", 1, item9=None)))["phq9-9"]
    assert blank["dataAbsentReason"]["text"] == "not answered"
    assert not {"valueCodeableConcept", "valueInteger", "component"} & set(blank)


def test_a_blank_item_is_absent_from_the_response() -> None:
    built = content(build_all(make_response("phq9", fill_form("phq9", 1, item9=None)))[0])
    assert "phq9-9" not in [item["linkId"] for item in built["item"]]
    assert "item" not in content(build_all(make_response("phq9", {}))[0])


def test_a_response_names_its_questionnaire_with_the_version() -> None:
    built = content(build_all(make_response("phq9", fill_form("phq9", 1)))[0])
    version = CLINIC.instruments[make_response("phq9", {}).instrument].version
    assert built["questionnaire"] == f"https://pmp.example/fhir/Questionnaire/phq9|{version}"
