"""The published FHIRPath expression of a scale and our scorer give the same answer, blanks included."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.measurement.questionnaire import build_questionnaire
from fhir_pmp.fhir.measurement.questionnaire_response import build_questionnaire_response
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.fhir.terminology.systems import CALCULATED_EXPRESSION
from fhir_pmp.identifiers import InstrumentId, LinkId, ScaleId
from fhir_pmp.instruments.definition import RuleStatus
from tests.unit.fhir.examples import CLINIC, INSTRUMENTS, make_response, some_answers

# Without the model `value` finds nothing and a sum is silently 0.
R4 = models["r4"]


def content(rendered: RenderedResource) -> dict[str, Any]:
    return read_fhir_json(rendered.content, max_bytes=10**6)


QUESTIONNAIRES = {name: content(build_questionnaire(CLINIC, one)) for name, one in INSTRUMENTS.items()}


def published_expressions(items: list[dict[str, Any]]) -> dict[str, str]:
    """Every calculated expression of a Questionnaire, by linkId."""
    found: dict[str, str] = {}
    for item in items:
        for extension in item.get("extension", []):
            if extension["url"] == CALCULATED_EXPRESSION:
                found[item["linkId"]] = extension["valueExpression"]["expression"]
        found |= published_expressions(item.get("item", []))
    return found


EXPRESSIONS = {
    f"{name}-score-{scale.id}": (name, scale.id)
    for name, instrument in INSTRUMENTS.items()
    for scale in instrument.scales
    if scale.rule.status is not RuleStatus.UNCONFIRMED
}


def evaluated(link_id: str, answers: dict[LinkId, int]) -> list[Any]:
    """What a reader of the Questionnaire gets for that response."""
    instrument, _ = EXPRESSIONS[link_id]
    response = content(build_questionnaire_response(CLINIC, make_response(instrument, answers)))
    known = {"questionnaire": QUESTIONNAIRES[instrument], "resource": response}
    result: list[Any] = compiled(link_id)(response, known)
    return result


@cache
def compiled(link_id: str) -> Callable[[dict[str, Any], dict[str, Any]], list[Any]]:
    """The published expression, parsed once."""
    expression = published_expressions(QUESTIONNAIRES[EXPRESSIONS[link_id][0]]["item"])[link_id]
    parsed: Callable[[dict[str, Any], dict[str, Any]], list[Any]] = fhirpathpy.compile(expression, R4)
    return parsed


def scored(link_id: str, answers: dict[LinkId, int]) -> list[Decimal]:
    """What our scorer publishes for it: nothing where it does not, or rests on an UNCONFIRMED rule."""
    instrument, scale_id = EXPRESSIONS[link_id]
    scores = {one.scale: one for one in CLINIC.score(instrument, answers)}
    score, scale = scores[scale_id], INSTRUMENTS[instrument].scale(scale_id)
    if score.published is None or (score.blanks and scale.blanks.rule.status is RuleStatus.UNCONFIRMED):
        return []
    return [Decimal(score.published)]


def test_every_scale_that_rests_on_confirmed_rules_has_an_expression() -> None:
    found = {
        link_id: name
        for name, one in QUESTIONNAIRES.items()
        for link_id in published_expressions(one["item"])
    }
    assert found == {link_id: name for link_id, (name, _) in EXPRESSIONS.items()}
    assert {"phq9-score-total", "gad7-score-total", "bpi_sf-score-interference"} <= set(found)


@pytest.mark.parametrize("link_id", EXPRESSIONS)
@given(data=st.data())
def test_expression_and_scorer_agree_for_any_answers(link_id: str, data: st.DataObject) -> None:
    answers = data.draw(some_answers(INSTRUMENTS[EXPRESSIONS[link_id][0]]))
    assert [Decimal(str(value)) for value in evaluated(link_id, answers)] == scored(link_id, answers)


@pytest.mark.parametrize(
    ("link_id", "answers", "expected"),
    [
        # 8 answered, sum 4: 4 x 9 / 8 = 4.5, which is 5 (half up; CMS says only "nearest integer").
        ("phq9-score-total", "0101101-0", ["5"]),
        # 7 answered, sum 10: 90 / 7 = 12.857, which is 13.
        ("phq9-score-total", "22222-0-0", ["13"]),
        ("phq9-score-total", "22222---0", []),
        ("phq9-score-total", "000000000", ["0"]),
        ("phq9-score-total", "333333333", ["27"]),
        # GAD-7, 6 answered, sum 9: 10.5, which is 11.
        ("gad7-score-total", "333000-", ["11"]),
        # BPI interference: 4 of 7 are enough; 7 / 4 = 1.75.
        ("bpi_sf-score-interference", "7000---", ["1.75"]),
        ("bpi_sf-score-interference", "700----", []),
    ],
)
def test_worked_examples(link_id: str, answers: str, expected: list[str]) -> None:
    instrument, scale_id = InstrumentId(link_id.split("-")[0]), ScaleId(link_id.split("-")[-1])
    items = INSTRUMENTS[instrument].scale(scale_id).items
    given_answers = {item: int(x) for item, x in zip(items, answers, strict=True) if x != "-"}
    assert [str(value) for value in evaluated(link_id, given_answers)] == expected


def test_the_weights_are_read_from_the_questionnaire() -> None:
    # With another weight on one option the same response has another score.
    changed = read_fhir_json(
        build_questionnaire(CLINIC, INSTRUMENTS[InstrumentId("gad7")]).content, max_bytes=10**6
    )
    weight = changed["item"][0]["answerOption"][3]["extension"][0]
    assert weight["valueDecimal"] == 3
    weight["valueDecimal"] = Decimal(9)
    response = content(
        build_questionnaire_response(CLINIC, make_response("gad7", {f"gad7-{n}": 3 for n in range(1, 8)}))
    )
    expression = published_expressions(changed["item"])["gad7-score-total"]
    known = {"questionnaire": changed, "resource": response}
    assert fhirpathpy.evaluate(response, expression, known, R4) == [27]


def test_no_expression_rounds_by_a_function_that_engines_disagree_on() -> None:
    for questionnaire in QUESTIONNAIRES.values():
        for expression in published_expressions(questionnaire["item"]).values():
            assert "round(" not in expression
