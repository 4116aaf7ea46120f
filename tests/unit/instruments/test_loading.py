"""Instrument mappings: everything that does not hold together is told at once, with file, line, field and reason."""

from pathlib import Path

import pytest

from fhir_pmp.identifiers import InstrumentId, LinkId
from fhir_pmp.instruments.loading import check_mappings, load_instruments
from fhir_pmp.mapping_file import MappingFaults

EXAMPLE = """\
id: ex
version: "1"
title: An invented questionnaire
recall: 7d
source: Nobody, 2001
rights: {ship_wording: true, statement: Ours, evidence: We made it up}
notices: [The LOINC notice]
introduction: In the last week
codings: [{loinc: 44249-1}]
answers:
  degree:
    - {value: 0, label: none, codings: [{loinc: LA6568-5}]}
    - {value: 1, label: some, codings: [{loinc: LA6569-3}]}
    - {value: 2, label: much, codings: [{loinc: LA6570-1}]}
items:
  - {id: ex-1, label: Worry, text: Did you worry?, answers: degree}
  - {id: ex-2, label: Sleep, answers: degree, codings: [{snomed: "720433000"}]}
  - {id: ex-3, label: Pain, lowest: 0, highest: 10}
scales:
  - id: total
    title: Total
    items: [ex-1, ex-2]
    range: {lowest: 0, highest: 4}
    better: lower
    scoring: {rule_id: ex.score, version: 1, status: verified, source: Nobody, method: sum, reversed: [ex-2]}
    blanks: {rule_id: ex.blanks, version: 1, status: policy, source: Nobody, allowed: 1}
    band_sets:
      - id: severity
        rule_id: ex.bands
        version: 1
        status: unconfirmed
        source: Nobody
        bands:
          - {label: low, from: 0, to: 1}
          - {label: middle, from: 2, to: 3}
          - {label: high, from: 4, to: 4}
    changes:
      - {rule_id: ex.points, version: 1, status: verified, source: Nobody, title: Two, kind: points, points: 2}
      - rule_id: ex.band_change
        version: 1
        status: unconfirmed
        source: Nobody
        title: Two and a band
        kind: points_and_band
        points: 2
        bands: severity
      - rule_id: ex.grades
        version: 1
        status: policy
        source: Nobody
        title: Grades
        kind: percent_graded
        grades: [{label: some, percent: 10}, {label: much, percent: 50}]
    headline_rule: ex.points
  - id: pain
    title: Pain
    items: [ex-3]
    range: {lowest: 0, highest: 10}
    better: higher
    scoring: {rule_id: ex.pain, version: 1, status: derived, source: Nobody, method: mean}
    blanks: {rule_id: ex.pain_blanks, version: 1, status: policy, source: Nobody, allowed: 0}
    headline_rule: null
    part_of: total
    codings: [{loinc: 77565-0, only_for_recall: 24h}]
safety_items:
  - {item: ex-1, flag_from: 1, rule_id: ex.safety, version: 1, status: verified, source: Nobody}
  - {item: ex-3, flag_from: null, rule_id: ex.safety_pain, version: 1, status: verified, source: Nobody}
"""

# what is changed, into what, the text on the line that the fault names, its field, what it says
FAULTS = {
    "a misspelt key": ("better: lower", "beter: lower", "beter", "scales[0].beter", "is not a key we know"),
    "a key that is missing": ("better: lower", "beter: lower", "- id: total", "scales[0].better", "is missing"),
    "a number as a version": ('version: "1"', "version: 1", "version: 1", "version", "must be text (quote it)"),
    "no source": ("source: Nobody, 2001", "", "id: ex", "source", "is missing"),
    "no rights": ("ship_wording: true, ", "", "rights:", "rights.ship_wording", "is missing"),
    "no status": ("status: policy, source: Nobody, allowed: 1", "source: Nobody, allowed: 1", "blanks:",
                  "scales[0].blanks.status", "is missing"),
    "an unknown status": ("status: derived", "status: sure", "status: sure", "scales[1].scoring.status",
                          "must be one of verified, unconfirmed, derived, policy"),
    "a rule version of 0": ("rule_id: ex.score, version: 1", "rule_id: ex.score, version: 0", "ex.score",
                            "scales[0].scoring.version", "must be 1 or more"),
    "another file name": ("id: ex\n", "id: ey\n", "id: ey", "id", "must be the name of the file"),
    "a recall of no form": ("recall: 7d", "recall: week", "recall", "recall", "must be a number and h, d or w"),
    "no items": ("items: [ex-3]", "items: []", "items: []", "scales[1].items", "must name at least one item"),
    "an item of another instrument": ("id: ex-3, label", "id: xx-3, label", "id: xx-3", "items[2].id",
                                      "must begin with ex-"),
    "an item twice": ("{id: ex-2, label", "{id: ex-1, label", "items:", "items", "has two items of the id ex-1"),
    "a scale twice": ("- id: pain", "- id: total", "scales:", "scales", "has two scales of the id total"),
    "a rule twice": ("ex.pain_blanks", "ex.blanks", "id: ex", "", "has two rules of the rule_id ex.blanks"),
    "a scale of an item that is not there": ("items: [ex-1, ex-2]", "items: [ex-1, ex-9]", "ex-9", "scales[0].items",
                                             "names an item that is not there: ex-9"),
    "an item twice in a scale": ("items: [ex-1, ex-2]", "items: [ex-1, ex-1]", "[ex-1, ex-1]", "scales[0].items[1]",
                                 "appears twice"),
    "a reversed item that is not in the scale": ("reversed: [ex-2]", "reversed: [ex-3]", "reversed",
                                                 "scales[0].scoring.reversed",
                                                 "names an item that the scale does not have: ex-3"),
    "a range the items cannot reach": ("range: {lowest: 0, highest: 4}", "range: {lowest: 0, highest: 5}",
                                       "highest: 5", "scales[0].range", "is not what the items can reach"),
    "a multiplier below 1": ("method: mean}", "method: mean, multiplier: -1}", "multiplier",
                             "scales[1].scoring.multiplier", "must be 1 or more"),
    "as many blanks as items": ("allowed: 1", "allowed: 2", "allowed: 2", "scales[0].blanks.allowed",
                                "must be 0 or more, and fewer than the scale has items"),
    "part of nothing": ("part_of: total", "part_of: whole", "part_of", "scales[1].part_of",
                        "names a scale that is not there"),
    "a gap between bands": ("from: 2, to: 3", "from: 3, to: 3", "label: middle", "scales[0].band_sets[0].bands[1]",
                            "leaves a gap after the band before it"),
    "bands that overlap": ("from: 2, to: 3", "from: 1, to: 3", "label: middle", "scales[0].band_sets[0].bands[1]",
                           "overlaps the band before it"),
    "bands that start late": ("label: low, from: 0", "label: low, from: 1", "label: low",
                              "scales[0].band_sets[0].bands[0]", "does not start at the lowest score of the scale"),
    "bands that end early": ("from: 4, to: 4", "from: 4, below: 4.5", "label: high",
                             "scales[0].band_sets[0].bands[2]", "does not end at the highest score of the scale"),
    "a band of nothing": ("from: 2, to: 3", "from: 3, to: 2", "label: middle", "scales[0].band_sets[0].bands[1]",
                          "is empty: it ends before it starts"),
    "a band with two lower edges": ("label: low, from: 0", "label: low, from: 0, above: 0", "label: low",
                                    "scales[0].band_sets[0].bands[0]", "needs either from or above"),
    "a band label twice": ("label: high", "label: low", "bands:", "scales[0].band_sets[0].bands",
                           "has two bands of the label low"),
    "a change rule of an unknown band set": ("bands: severity", "bands: other", "bands: other",
                                             "scales[0].changes[1].bands",
                                             "names a band set that the scale does not have"),
    "a change rule surer than its bands": ("ex.band_change\n        version: 1\n        status: unconfirmed",
                                           "ex.band_change\n        version: 1\n        status: verified",
                                           "STATUS", "scales[0].changes[1].status",
                                           "rests on bands that are unconfirmed, so it is unconfirmed itself"),
    "a headline rule that is not there": ("headline_rule: ex.points", "headline_rule: ex.other", "ex.other",
                                          "scales[0].headline_rule",
                                          "names a change rule that the scale does not have"),
    "a headline rule that is not confirmed": ("headline_rule: ex.points", "headline_rule: ex.band_change",
                                              "headline_rule: ex.band_change", "scales[0].headline_rule",
                                              "names an unconfirmed rule, which no letter may count by"),
    "a headline rule not spoken of": ("headline_rule: null", "", "- id: pain", "scales[1].headline_rule",
                                      "is missing (null says that there is none)"),
    "a rule of points with a percentage": ("kind: points, points: 2", "kind: points, points: 2, percent: 3",
                                           "percent: 3", "scales[0].changes[0].percent", "is not a key we know"),
    "a rule of 0 points": ("kind: points, points: 2", "kind: points, points: 0", "ex.points",
                           "scales[0].changes[0].points", "must be greater than 0"),
    "an unknown kind of rule": ("kind: points, points: 2", "kind: feeling, points: 2", "kind: feeling",
                                "scales[0].changes[0].kind",
                                "must be one of points, points_and_band, percent, percent_graded, reliable_sem"),
    "grades that fall": ("label: much, percent: 50", "label: much, percent: 5", "percent: 5}",
                         "scales[0].changes[2].grades", "must be a list of grades whose percent rises"),
    "a wrong LOINC check digit": ("loinc: 44249-1", "loinc: 44249-2", "44249-2", "codings[0].loinc",
                                  "has a wrong check digit or form"),
    "a wrong answer code": ("loinc: LA6569-3", "loinc: LA6569-4", "LA6569-4", "answers.degree[1].codings[0].loinc",
                            "has a wrong check digit or form"),
    "a wrong SNOMED CT check digit": ('snomed: "720433000"', 'snomed: "720433001"', "720433001",
                                      "items[1].codings[0].snomed", "has a wrong check digit or form"),
    "a code of no system": ("loinc: 44249-1", "icd: F32", "icd", "codings[0]", "needs either loinc or snomed"),
    "a code for two answers": ("loinc: LA6569-3", "loinc: LA6568-5", "id: ex-1", "items[0].answers",
                               "names a list where one code stands for two answers"),
    "values that do not rise": ("value: 1, label", "value: 3, label", "id: ex-1", "items[0].answers",
                                "names a list whose values do not rise from 0 or more"),
    "a list of answers that is not there": ("label: Sleep, answers: degree", "label: Sleep, answers: other",
                                            "label: Sleep", "items[1].answers",
                                            "names no list of answers of this file, or an empty one"),
    "an item of highest below lowest": ("lowest: 0, highest: 10}\nscales", "lowest: 9, highest: 8}\nscales",
                                        "id: ex-3", "items[2].highest",
                                        "must be greater than lowest, and lowest 0 or more"),
    "LOINC codes without the notice": ("notices: [The LOINC notice]", "notices: [Another]", "notices", "notices",
                                       "must hold the LOINC notice, which travels with its codes"),
    "a safety item that is not there": ("item: ex-1, flag_from", "item: ex-9, flag_from", "item: ex-9",
                                        "safety_items[0].item", "is not an item of this instrument"),
    "a flag from an answer not offered": ("flag_from: 1", "flag_from: 3", "flag_from: 3", "safety_items[0].flag_from",
                                          "is not an answer that the item offers"),
    "a threshold not spoken of": ("flag_from: null, ", "", "ex.safety_pain", "safety_items[1].flag_from",
                                  "is missing (null says that there is none)"),
    "wording without the right": ("ship_wording: true", "ship_wording: false", "Did you worry?", "items[0].text",
                                  "is published wording, which rights do not let us ship"),
    "an introduction without the right": ("ship_wording: true", "ship_wording: false", "introduction",
                                          "introduction", "is published wording, which rights do not let us ship"),
    "an id of strange letters": ("id: ex\n", "id: Ex\n", "id: Ex", "id", "must be the name of the file"),
}  # fmt: skip


def folder_of(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "instruments"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder


def renamed(text: str) -> str:
    """The example as another instrument."""
    return text.replace("id: ex", "id: ey").replace("ex-", "ey-").replace("ex.", "ey.")


def test_the_example_holds_together(tmp_path: Path) -> None:
    (example,) = load_instruments(folder_of(tmp_path, ex=EXAMPLE)).values()
    assert [item.link_id for item in example.items] == ["ex-1", "ex-2", "ex-3"]
    assert example.introduction == "In the last week"
    assert example.scales[1].codings == ()  # the code of another recall period was left out


@pytest.mark.parametrize(("old", "new", "line_of", "field", "what"), FAULTS.values(), ids=FAULTS)
def test_each_fault_names_file_line_field_and_reason(
    tmp_path: Path, old: str, new: str, line_of: str, field: str, what: str
) -> None:
    assert EXAMPLE.count(old) >= 1
    text = EXAMPLE.replace(old, new, 1)
    lines = text.splitlines()
    if line_of == "STATUS":  # the one under the rule's id
        number = next(i for i, line in enumerate(lines, 1) if "ex.band_change" in line) + 2
    else:
        number = next(i for i, line in enumerate(lines, 1) if line_of in line)
    found = [str(fault) for fault in check_mappings(folder_of(tmp_path, ex=text))]
    assert f"instruments/ex.yaml:{number} {field}".rstrip() + f": {what}" in found


def test_faults_of_all_files_come_in_one_run(tmp_path: Path) -> None:
    other = renamed(EXAMPLE).replace("better: lower", "better: up").replace("kind: points,", "kind: x,")
    folder = folder_of(tmp_path, ex=EXAMPLE.replace("44249-1", "44249-2"), ey=other)
    with pytest.raises(MappingFaults) as raised:
        load_instruments(folder)
    assert [fault.field for fault in raised.value.faults] == [
        "instruments/ex.yaml:9 codings[0].loinc",
        "instruments/ey.yaml:24 scales[0].better",
        "instruments/ey.yaml:38 scales[0].changes[0].kind",
    ]


def test_a_rule_id_belongs_to_one_instrument(tmp_path: Path) -> None:
    other = renamed(EXAMPLE).replace("ey.points", "ex.points")
    found = [str(fault) for fault in check_mappings(folder_of(tmp_path, ex=EXAMPLE, ey=other))]
    assert found == ["ex.points: is the rule_id of a rule of ex and of one of ey"]


def test_an_id_with_strange_letters_is_refused_even_as_a_file_name(tmp_path: Path) -> None:
    found = [
        str(fault)
        for fault in check_mappings(folder_of(tmp_path, **{"e-x": EXAMPLE.replace("id: ex\n", "id: e-x\n")}))
    ]
    assert "instruments/e-x.yaml:1 id: must be small letters, digits and underscores, a letter first" in found


def test_items_and_scales_may_not_both_be_missing(tmp_path: Path) -> None:
    text = EXAMPLE[: EXAMPLE.index("answers:")] + "items: []\nscales: []\n"
    found = [str(fault) for fault in check_mappings(folder_of(tmp_path, ex=text))]
    assert found == ["instruments/ex.yaml:10 items: must hold at least one item"]


def test_a_list_of_answers_that_no_item_uses_is_a_fault(tmp_path: Path) -> None:
    text = EXAMPLE.replace("answers:\n", "answers:\n  spare: [{value: 0, label: x}]\n", 1)
    found = [str(fault) for fault in check_mappings(folder_of(tmp_path, ex=text))]
    assert found == ["instruments/ex.yaml:10 answers: holds a list that no item uses: spare"]


def test_two_band_sets_and_no_bands(tmp_path: Path) -> None:
    sets = "      - {id: severity, rule_id: ex.more, version: 1, status: policy, source: Nobody, bands: []}\n    changes:"
    found = [
        str(fault)
        for fault in check_mappings(folder_of(tmp_path, ex=EXAMPLE.replace("    changes:", sets, 1)))
    ]
    assert found == [
        "instruments/ex.yaml:27 scales[0].band_sets: has two band sets of the id severity",
        "instruments/ex.yaml:37 scales[0].band_sets[1]: must have at least one band",
    ]


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    assert [str(fault) for fault in check_mappings(folder_of(tmp_path))] == [
        "instruments: holds no instrument (*.yaml)"
    ]


def test_the_operators_texts_are_merged_in(tmp_path: Path) -> None:
    wording = tmp_path / "wording.yaml"
    wording.write_text("ex: {ex-2: How did you sleep?}\n", "utf-8")
    ex = load_instruments(folder_of(tmp_path, ex=EXAMPLE), wording)[InstrumentId("ex")]
    assert [item.text for item in ex.items] == ["Did you worry?", "How did you sleep?", None]
    assert ex.item(LinkId("ex-2")).text == "How did you sleep?"


def test_texts_for_what_is_not_there_are_faults(tmp_path: Path) -> None:
    wording = tmp_path / "wording.yaml"
    wording.write_text("ex: {ex-9: What?, ex-1: ''}\nnone: {none-1: What?}\nex2: 3\n", "utf-8")
    found = [str(fault) for fault in check_mappings(folder_of(tmp_path, ex=EXAMPLE), wording)]
    here = f"{tmp_path.name}/wording.yaml"
    assert found == [
        f"{here}:1 ex.ex-9: is not an item of this instrument",
        f"{here}:1 ex.ex-1: must not be empty",
        f"{here}:2 none: is not an instrument we know",
        f"{here}:3 ex2: is not an instrument we know",
        f"{here}:3 ex2: must be a table (key: value)",
    ]


def test_texts_for_an_instrument_whose_file_is_wrong_are_not_blamed(tmp_path: Path) -> None:
    wording = tmp_path / "wording.yaml"
    wording.write_text("ex: {ex-2: How did you sleep?}\n", "utf-8")
    found = check_mappings(folder_of(tmp_path, ex=EXAMPLE.replace("44249-1", "44249-2")), wording)
    assert len(found) == 1


def test_the_form_works_without_wording_where_rights_forbid_it() -> None:
    shipped = load_instruments(Path(__file__).parents[3] / "mappings" / "instruments")
    free = {name for name, instrument in shipped.items() if instrument.rights.ship_wording}
    assert free == {"phq9", "gad7", "peg", "satisfaction", "pgic"}
    for name, instrument in shipped.items():
        assert all(item.label for item in instrument.items)
        if name not in free:
            assert all(item.text is None for item in instrument.items)
