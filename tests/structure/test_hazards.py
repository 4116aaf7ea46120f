"""Each hazard says what controls it, by files and tests that exist, or says in words that it is open."""

from pathlib import Path

import pytest

from docs.generated_pages.hazards import RISK, SEVERITIES, Hazard, HazardStatus, load_hazards
from fhir_pmp.mapping_file import MappingFaults
from tests.structure.named_test_references import ROOT, find_dangling_references

FOLDER = ROOT / "docs" / "safety" / "hazards"
HAZARDS = load_hazards(FOLDER)


def test_the_hazards_are_numbered_without_a_gap() -> None:
    # A hazard is closed, never deleted.
    assert [one.id for one in HAZARDS] == [f"HAZ-{number:03}" for number in range(1, len(HAZARDS) + 1)]
    assert len(HAZARDS) >= 16


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_each_control_names_files_and_tests_that_exist(hazard: Hazard) -> None:
    for control in hazard.controls:
        assert [name for name in control.code if not (ROOT / name).exists()] == []
        assert find_dangling_references(list(control.tests)) == []


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_a_control_that_is_not_built_makes_the_hazard_open(hazard: Hazard) -> None:
    assert bool(hazard.not_built) == (hazard.status in (HazardStatus.OPEN, HazardStatus.PARTLY_OPEN))
    assert hazard.controls or hazard.status is HazardStatus.OPEN


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_a_control_never_raises_the_risk(hazard: Hazard) -> None:
    assert hazard.after.level <= hazard.before.level
    assert hazard.after.severity == hazard.before.severity


def test_the_matrix_is_the_published_one() -> None:
    # NHS UK Core Hazard Log page, rows from very high to very low likelihood.
    assert list(RISK.values()) == [
        (3, 4, 4, 5, 5),
        (2, 3, 3, 4, 5),
        (2, 2, 3, 3, 4),
        (1, 2, 2, 3, 4),
        (1, 1, 2, 2, 3),
    ]
    assert SEVERITIES == ("Minor", "Significant", "Considerable", "Major", "Catastrophic")


def test_a_hazard_without_a_test_and_without_a_reason_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "HAZ-004.yaml").read_text(encoding="utf-8")
    without = text[: text.index("controls:")] + text[text.index("training:") :]
    (tmp_path / "HAZ-004.yaml").write_text(without, encoding="utf-8")
    with pytest.raises(MappingFaults, match="must name a control with its tests"):
        load_hazards(tmp_path)
    (tmp_path / "HAZ-004.yaml").write_text(
        without.replace("status: controlled", "status: open"), encoding="utf-8"
    )
    with pytest.raises(MappingFaults, match="must be present exactly where the hazard is open"):
        load_hazards(tmp_path)


def test_a_rating_outside_the_matrix_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "HAZ-004.yaml").read_text(encoding="utf-8")
    (tmp_path / "HAZ-004.yaml").write_text(
        text.replace("likelihood: Medium", "likelihood: Sometimes"), encoding="utf-8"
    )
    with pytest.raises(MappingFaults, match="must be one of Very Low"):
        load_hazards(tmp_path)
