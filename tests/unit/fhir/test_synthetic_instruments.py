"""What no shipped instrument has yet, and an operator's may: reversed items, and a safety item that is a number."""

from dataclasses import replace
from typing import Any

import fhirpathpy
from fhirpathpy.models import models
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.measurement.questionnaire import build_questionnaire
from fhir_pmp.fhir.measurement.questionnaire_response import build_questionnaire_response
from fhir_pmp.fhir.measurement.safety_observation import build_safety_observations
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.identifiers import InstrumentId, LinkId
from fhir_pmp.instruments.definition import SafetyItem
from tests.unit.fhir.examples import CLINIC, INSTRUMENTS, make_response

GAD7, PEG = INSTRUMENTS[InstrumentId("gad7")], INSTRUMENTS[InstrumentId("peg")]
GAD7_TOTAL, PEG_TOTAL = GAD7.scales[0], PEG.scales[0]
MADE_GAD7 = replace(
    GAD7, scales=(replace(GAD7_TOTAL, reversed=frozenset({LinkId("gad7-1"), LinkId("gad7-7")})),)
)
MADE_PEG = replace(
    PEG,
    scales=(replace(PEG_TOTAL, reversed=frozenset({LinkId("peg-2")})),),
    safety_items=(SafetyItem(LinkId("peg-1"), 8, PEG_TOTAL.rule),),
)
MADE = replace(CLINIC, instruments={InstrumentId("gad7"): MADE_GAD7, InstrumentId("peg"): MADE_PEG})


def evaluated(name: str, answers: dict[str, int]) -> list[Any]:
    questionnaire = read_fhir_json(
        build_questionnaire(MADE, MADE.instruments[InstrumentId(name)]).content, max_bytes=10**6
    )
    response = read_fhir_json(
        build_questionnaire_response(MADE, make_response(name, answers)).content, max_bytes=10**6
    )
    expression = questionnaire["item"][-1]["extension"][0]["valueExpression"]["expression"]
    known = {"questionnaire": questionnaire, "resource": response}
    found: list[Any] = fhirpathpy.evaluate(response, expression, known, models["r4"])
    return found


@given(st.fixed_dictionaries({f"gad7-{n}": st.integers(0, 3) for n in range(1, 8)}))
def test_a_reversed_choice_counts_from_the_other_end(answers: dict[str, int]) -> None:
    turned = {link: 3 - value if link in ("gad7-1", "gad7-7") else value for link, value in answers.items()}
    assert evaluated("gad7", answers) == [sum(turned.values())]


def test_a_reversed_number_counts_from_the_other_end() -> None:
    # (4 + (10 - 1) + 2) / 3 = 5
    assert evaluated("peg", {"peg-1": 4, "peg-2": 1, "peg-3": 2}) == [5]


def test_a_safety_item_that_is_a_number_says_its_number() -> None:
    response = make_response("peg", {"peg-1": 9, "peg-2": 1, "peg-3": 2})
    (rendered,) = build_safety_observations(MADE, response)
    observation = read_fhir_json(rendered.content, max_bytes=10**5)
    assert observation["valueInteger"] == 9
