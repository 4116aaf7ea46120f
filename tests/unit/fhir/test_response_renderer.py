"""The fast renderer writes, byte for byte, what the builders write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.fhir.compiled.renderer_cache import get_response_renderers
from fhir_pmp.fhir.compiled.response_renderer import compile_response_renderer
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.pathway.facts import Moment, ResponseStatus
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

RENDERERS = get_response_renderers(CLINIC)


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=lambda one: str(one.id))
@given(data=st.data())
def test_any_response_is_rendered_as_the_builders_build_it(
    instrument: Instrument, data: st.DataObject
) -> None:
    response = make_response(
        instrument.id,
        data.draw(some_answers(instrument)),
        timepoint=data.draw(st.sampled_from([START, POST])),
        authored=data.draw(st.sampled_from([MORNING, DAY_ONLY])),
        status=data.draw(st.sampled_from(list(ResponseStatus))),
        key=data.draw(st.text(min_size=1)),
    )
    scores = CLINIC.score(response.instrument, response.answers)
    assert RENDERERS[instrument.id](response, scores) == build_all(response)


def test_the_order_in_which_answers_arrived_shows_in_no_byte() -> None:
    forwards = fill_form("phq9", 1)
    backwards = dict(reversed(list(forwards.items())))
    render = RENDERERS[InstrumentId("phq9")]
    scores = CLINIC.score(InstrumentId("phq9"), make_response("phq9", forwards).answers)
    assert render(make_response("phq9", forwards), scores) == render(make_response("phq9", backwards), scores)


def test_a_percent_sign_in_a_label_or_key_stays_itself() -> None:
    response = make_response("phq9", fill_form("phq9", 1), key="100%b %s %%")
    scores = CLINIC.score(response.instrument, response.answers)
    assert RENDERERS[response.instrument](response, scores) == build_all(response)


def test_a_quotation_mark_in_a_moment_cannot_break_the_json() -> None:
    moment = Moment('2026-03-01","x":"', DAY_ONLY.on, None)
    response = make_response("gad7", fill_form("gad7", 1), authored=moment)
    scores = CLINIC.score(response.instrument, response.answers)
    assert RENDERERS[response.instrument](response, scores) == build_all(response)


def test_scores_of_another_instrument_are_a_mistake_and_not_rendered() -> None:
    response = make_response("pcs", fill_form("pcs", 1))
    scores = CLINIC.score(InstrumentId("phq9"), make_response("phq9", fill_form("phq9", 1)).answers)
    with pytest.raises(ValueError, match="zip"):
        compile_response_renderer(CLINIC, INSTRUMENTS[InstrumentId("pcs")])(response, scores)
