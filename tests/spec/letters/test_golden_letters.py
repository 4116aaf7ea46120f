"""Every golden letter says on paper what was worked by hand before the code that writes it, and nothing else will do."""

import copy
from pathlib import Path
from typing import Any

import pytest

from fhir_pmp.letters.rendering.typesetting import Typesetter
from tests.backing_services import verapdf
from tests.conftest import require_part
from tests.spec.letters.expectations import faults
from tests.spec.letters.golden_cases import CASES, DISCHARGES, build, golden, read_yaml
from tests.spec.letters.pdf_text import text_of, typeset_letter

FORMS = [
    (case, timepoint, instrument)
    for case in DISCHARGES
    for timepoint, forms in read_yaml(case, "facts.yaml")["answers"].items()
    for instrument, form in forms.items()
    if "values" in form
]


def test_there_are_eight_discharge_letters_and_two_about_referrals() -> None:
    assert len(DISCHARGES) == 8
    assert set(CASES) - set(DISCHARGES) == {"receipt", "decline"}


@pytest.mark.parametrize("case", CASES)
def test_the_letter_says_what_was_worked_by_hand(case: str, typesetter: Typesetter, tmp_path: Path) -> None:
    given, expected = read_yaml(case, "facts.yaml"), read_yaml(case, "expected.yaml")
    pages = text_of(typeset_letter(typesetter, golden(case)), tmp_path)
    assert faults(pages, given, expected) == []


@pytest.mark.parametrize(("case", "timepoint", "instrument"), FORMS)
def test_one_answer_changed_makes_another_letter(
    case: str, timepoint: str, instrument: str, typesetter: Typesetter, tmp_path: Path
) -> None:
    given, expected = read_yaml(case, "facts.yaml"), read_yaml(case, "expected.yaml")
    pages = text_of(
        typeset_letter(typesetter, build(case, changed(given, timepoint, instrument), expected)), tmp_path
    )
    assert faults(pages, given, expected) != []


@pytest.mark.parametrize("case", CASES)
def test_the_same_facts_give_the_same_bytes(case: str, typesetter: Typesetter) -> None:
    assert typeset_letter(typesetter, golden(case)) == typeset_letter(typesetter, golden(case))


def test_every_letter_passes_verapdf_as_pdf_ua_1_and_pdf_a_2a(typesetter: Typesetter, tmp_path: Path) -> None:
    files = []
    for case in CASES:
        files.append(tmp_path / f"{case}.pdf")
        files[-1].write_bytes(typeset_letter(typesetter, golden(case)))
    for flavour in ("ua1", "2a"):
        judged = require_part(lambda flavour=flavour: verapdf.find_pdf_faults_by_file(files, flavour))  # type: ignore[misc]
        assert {file.name: found for file, found in judged.items() if found} == {}


def changed(given: dict[str, Any], timepoint: str, instrument: str) -> dict[str, Any]:
    """The same facts with one answer of that form another; in a form too blank to score, one more blank."""
    other = copy.deepcopy(given)
    form = other["answers"][timepoint][instrument]
    values = form["values"].split()
    position = 2 if instrument == "bpi_sf" else 0  # average pain, which two scales read
    if values[position] == "-":
        position = 4  # interference with activity
    # With blanks a raised answer may round to the same score; one more blank is told in any case.
    values[position] = (
        "-" if "-" in values else str(int(values[position]) + (-1 if int(values[position]) else 1))
    )
    form["values"] = " ".join(values)
    return other
