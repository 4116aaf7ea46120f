"""A response becomes the same bytes whatever was rendered before it, in whatever order its answers arrived."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.measurement.response_resources import render_response
from fhir_pmp.fhir.serialization.json_reader import read_json
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.pathway.facts import Moment, Response, ResponseStatus
from tests.unit.fhir.examples import (
    CLINIC,
    DAY_ONLY,
    INSTRUMENTS,
    MORNING,
    POST,
    START,
    build_all,
    fill_form,
    make_response,
    some_answers,
)


def build_with_empty_cache(response: Response) -> tuple[RenderedResource, ...]:
    """The resources by a clinic for which nothing was built before."""
    scores = CLINIC.score(response.instrument, response.answers)
    return render_response(replace(CLINIC), response, scores)


def read(rendered: RenderedResource) -> dict[str, Any]:
    return read_json(rendered.content, max_bytes=10**6)


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=lambda one: str(one.id))
@given(data=st.data())
def test_a_cached_element_is_the_one_that_would_be_built(instrument: Instrument, data: st.DataObject) -> None:
    response = make_response(
        instrument.id,
        data.draw(some_answers(instrument)),
        timepoint=data.draw(st.sampled_from([START, POST])),
        authored=data.draw(st.sampled_from([MORNING, DAY_ONLY])),
        status=data.draw(st.sampled_from(list(ResponseStatus))),
        key=data.draw(st.text(min_size=1)),
    )
    assert build_all(response) == build_with_empty_cache(response)


def test_the_order_in_which_answers_arrived_shows_in_no_byte() -> None:
    forwards = fill_form("phq9", 1)
    backwards = dict(reversed(list(forwards.items())))
    assert build_all(make_response("phq9", forwards)) == build_all(make_response("phq9", backwards))


def test_a_percent_sign_or_quotation_mark_in_a_key_stays_itself() -> None:
    key = '100%b %s %% "x" \\'
    questionnaire_response, *_ = build_all(make_response("phq9", fill_form("phq9", 1), key=key))
    assert read(questionnaire_response)["identifier"]["value"] == key
    assert ("identifier", key) in [(name, value) for name, _, value in questionnaire_response.tokens]


def test_a_quotation_mark_in_a_moment_cannot_break_the_json() -> None:
    moment = Moment('2026-03-01","x":"', DAY_ONLY.on, None)
    questionnaire_response, score = build_all(make_response("gad7", fill_form("gad7", 1), authored=moment))
    assert read(questionnaire_response)["authored"] == moment.text
    assert read(score)["effectiveDateTime"] == moment.text


def test_scores_of_another_instrument_are_a_mistake_and_not_rendered() -> None:
    response = make_response("pcs", fill_form("pcs", 1))
    scores = CLINIC.score(InstrumentId("dass21"), make_response("dass21", fill_form("dass21", 1)).answers)
    with pytest.raises(KeyError):
        render_response(CLINIC, response, scores)
