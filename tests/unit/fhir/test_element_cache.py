"""An element is built once for a clinic, and never taken from another."""

from dataclasses import replace

from fhir_pmp.fhir.elements.element_cache import cached
from fhir_pmp.fhir.measurement.questionnaire_response import build_questionnaire_response
from fhir_pmp.identifiers import InstrumentId
from tests.unit.fhir.examples import CLINIC, INSTRUMENTS, fill_form, make_response


def test_an_element_is_built_once_for_each_key() -> None:
    clinic, built = replace(CLINIC), []

    def build() -> int:
        built.append("built")
        return len(built)

    assert [cached(clinic, "a", build), cached(clinic, "a", build), cached(clinic, "b", build)] == [1, 1, 2]


def test_a_clinic_with_other_wording_has_elements_of_its_own() -> None:
    gad7 = INSTRUMENTS[InstrumentId("gad7")]
    reworded = replace(gad7, items=tuple(replace(item, text="In our words") for item in gad7.items))
    other = replace(CLINIC, instruments={gad7.id: reworded})
    response = make_response("gad7", fill_form("gad7", 1))
    assert b"In our words" not in build_questionnaire_response(CLINIC, response).content
    assert b"In our words" in build_questionnaire_response(other, response).content
