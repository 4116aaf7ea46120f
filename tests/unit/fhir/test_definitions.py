"""Questionnaires, CodeSystems and ValueSets: what a reader needs to score a form and to know every code of ours."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fhir_pmp.fhir.definitions import build_definitions
from fhir_pmp.fhir.measurement.questionnaire import build_questionnaire
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.fhir.terminology.code_system import build_code_systems
from fhir_pmp.fhir.terminology.systems import (
    ITEM_WEIGHT,
    MAX_VALUE,
    MIN_VALUE,
    OBSERVATION_EXTRACT,
    ORDINAL_VALUE,
)
from fhir_pmp.identifiers import InstrumentId
from fhir_pmp.instruments.definition import Instrument
from fhir_pmp.pathway.facts import Sharing
from tests.unit.fhir.examples import CLINIC, INSTRUMENTS


def questionnaire(instrument: Instrument) -> dict[str, Any]:
    return read_fhir_json(build_questionnaire(CLINIC, instrument).content, max_bytes=10**6)


def named(name: str) -> dict[str, Any]:
    return questionnaire(INSTRUMENTS[InstrumentId(name)])


def relations(items: list[dict[str, Any]]) -> dict[str, str]:
    """How each extracted item is extracted, by linkId."""
    found: dict[str, str] = {}
    for item in items:
        for extension in item.get("extension", []):
            if extension["url"] == OBSERVATION_EXTRACT:
                found[item["linkId"]] = extension["valueCode"]
        found |= relations(item.get("item", []))
    return found


def test_each_option_bears_its_weight_under_both_names() -> None:
    options = named("phq9")["item"][0]["answerOption"]
    assert [one["valueCoding"]["code"] for one in options] == ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]
    for url in (ITEM_WEIGHT, ORDINAL_VALUE):
        weights = [next(e["valueDecimal"] for e in one["extension"] if e["url"] == url) for one in options]
        assert weights == [0, 1, 2, 3]


def test_a_0_to_10_item_states_its_range() -> None:
    item = next(one for one in named("bpi_sf")["item"] if one["linkId"] == "bpi_sf-worst")
    assert item["type"] == "integer"
    assert {one["url"]: one["valueInteger"] for one in item["extension"]} == {MIN_VALUE: 0, MAX_VALUE: 10}


def test_no_item_is_required_because_any_may_be_left_blank() -> None:
    for instrument in INSTRUMENTS.values():
        assert {item["required"] for item in questionnaire(instrument)["item"]} == {False}


def test_licensed_wording_is_in_no_questionnaire_that_we_ship() -> None:
    shipped = {name for name, one in INSTRUMENTS.items() if one.rights.ship_wording}
    assert {"phq9", "gad7", "peg"} <= shipped
    assert not {"pcs", "bpi_sf", "pseq", "dass21", "tsk11"} & shipped
    for name, instrument in INSTRUMENTS.items():
        if name not in shipped:
            labels = {str(item.link_id): item.label for item in instrument.items}
            texts = {one["linkId"]: one["text"] for one in questionnaire(instrument)["item"]}
            assert {link: texts[link] for link in labels} == labels


def test_an_operator_s_own_wording_is_what_people_are_asked() -> None:
    instrument = INSTRUMENTS[InstrumentId("pcs")]
    first, *rest = instrument.items
    worded = replace(instrument, items=(replace(first, text="Their words"), *rest))
    assert questionnaire(worded)["item"][0]["text"] == "Their words"


def test_scores_and_safety_answers_are_extracted_and_nothing_else() -> None:
    assert relations(named("phq9")["item"]) == {"phq9-9": "independent", "phq9-score-total": "independent"}
    assert relations(named("pcs")["item"]) == {
        "pcs-score-total": "independent",
        "pcs-score-rumination": "member",
        "pcs-score-magnification": "member",
        "pcs-score-helplessness": "member",
    }
    # Scored by a rule that nobody confirmed: no expression, no Observation.
    assert relations(named("tsk11")["item"]) == {}


def test_the_copyright_travels_with_the_content() -> None:
    assert "Regenstrief" in named("phq9")["copyright"]


def test_definitions_have_one_id_in_every_installation_and_nobody_s_data() -> None:
    other = replace(CLINIC, programme=replace(CLINIC.programme, title="Another"))
    ours, theirs = build_definitions(CLINIC), build_definitions(other)
    assert [one.id for one in ours] == [one.id for one in theirs]
    assert {one.sharing for one in ours} == {Sharing.DEFINITION}
    assert {one.person for one in ours} == {None}
    counted = Counter(one.type for one in ours)
    assert counted["Questionnaire"] == len(INSTRUMENTS)
    assert counted["CodeSystem"] == counted["ValueSet"] == len(build_code_systems(CLINIC))
    assert counted["Organization"] == 1


def test_other_codes_are_another_version_of_a_code_system() -> None:
    fewer = replace(CLINIC, instruments={InstrumentId("gad7"): INSTRUMENTS[InstrumentId("gad7")]})
    versions = {one["url"]: one["version"] for one in build_code_systems(CLINIC)}
    others = {one["url"]: one["version"] for one in build_code_systems(fewer)}
    scales, timepoints = (f"https://pmp.example/fhir/CodeSystem/{name}" for name in ("scales", "timepoints"))
    assert versions[scales] != others[scales]
    assert versions[timepoints] == others[timepoints]


def test_no_code_is_listed_twice() -> None:
    for system in build_code_systems(CLINIC):
        codes = [one["code"] for one in system["concept"]]
        assert len(codes) == len(set(codes)) == system["count"]


@pytest.mark.promise("P11")
def test_every_rule_is_listed_with_its_grounds_and_source() -> None:
    rules = next(one for one in build_code_systems(CLINIC) if one["url"].endswith("/rules"))
    for concept in rules["concept"]:
        properties = {one["code"]: one for one in concept["property"]}
        assert properties["grounds"]["valueString"] in ("verified", "unconfirmed", "derived", "policy")
        assert properties["source"]["valueString"]
        assert (
            concept["code"]
            == f"{properties['rule']['valueString']}.v{properties['ruleVersion']['valueInteger']}"
        )


def test_a_band_that_nobody_has_confirmed_is_no_code_of_ours() -> None:
    # PCS: 30 and more is clinically relevant (RehabMeasures); ePPOC's labels conflict. K10: the ABS' four bands are
    # published, of CRUfAD's only the cut-offs (clinical.md 2.3).
    bands = next(one for one in build_code_systems(CLINIC) if one["url"].endswith("/bands"))
    codes = [one["code"] for one in bands["concept"]]
    assert [code for code in codes if ".pcs." in code or code.startswith("pcs.")] == [
        "pcs.total.clinical.v1.below-the-clinically-relevant-level",
        "pcs.total.clinical.v1.clinically-relevant",
    ]
    assert [code.rpartition(".")[2] for code in codes if "k10" in code] == [
        "low",
        "moderate",
        "high",
        "very-high",
    ]
