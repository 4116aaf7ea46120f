"""The sources shipped are right, and whatever is wrong with one is named by file, line and field."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.errors import Fault
from fhir_pmp.identifiers import SourceId, TimepointId
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.intake.csv_import.sources import Precision, Shape
from fhir_pmp.mapping_file import MappingFaults
from fhir_pmp.pathway.programme.definition import Programme
from fhir_pmp.pathway.programme.loading import load_programme

MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.fixture(scope="module")
def programme() -> Programme:
    return load_programme(MAPPINGS / "programme.yaml", load_instruments(MAPPINGS / "instruments"))


def test_the_two_sources_shipped_say_whose_ids_they_use_and_how_exactly_they_know_the_time(
    programme: Programme,
) -> None:
    sources = load_sources(MAPPINGS / "sources", programme)
    wide, long = sources[SourceId("redcap-wide")], sources[SourceId("answers-long")]
    assert (wide.shape, wide.precision, wide.enrolments_of) == (Shape.WIDE, Precision.DATE, wide.id)
    assert (long.shape, long.precision, long.enrolments_of) == (Shape.LONG, Precision.SECOND, wide.id)
    assert wide.zone == ZoneInfo("Australia/Sydney")
    assert wide.timepoints["followup_arm_1"] == TimepointId("follow_up")
    # Consent that is not stated is no.
    assert wide.values["share_with_ehr"] == {"1": True, "0": False, "": False}


def faults(folder: Path, programme: Programme) -> Sequence[Fault]:
    with pytest.raises(MappingFaults) as raised:
        load_sources(folder, programme)
    return raised.value.faults


WRONG = {
    "a timepoint of nobody": ("screening_arm_1: screening", "screening_arm_1: weekly", "timepoints"),
    "a lesson too few": (", lesson_5_on", "", "lesson_columns"),
    "no column for the birth date": ("  birth_date: birth_date\n", "", "columns"),
    "a zone of nobody": ("Australia/Sydney", "Australia/Atlantis", "zone"),
    "a shape of nobody": ("shape: wide", "shape: round", "shape"),
    "a precision of nobody": ("precision: date", "precision: roughly", "precision"),
    "a word that means nothing": ('"1": "yes"', '"1": "perhaps"', "share_with_ehr"),
    "an ending of nobody": ("stopped: stopped", "stopped: paused", "ended_how"),
    "a key we do not know": ("shape: wide", "shape: wide\ncolour: red", "colour"),
    "another id than its name": ("id: redcap-wide", "id: redcap", "id"),
}


@pytest.mark.parametrize(("found", "put", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_source_is_named_by_file_and_field(
    tmp_path: Path, programme: Programme, found: str, put: str, field: str
) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(MAPPINGS / "sources", folder)
    file = folder / "redcap-wide.yaml"
    text = file.read_text()
    assert found in text
    file.write_text(text.replace(found, put, 1))
    named = [fault.field for fault in faults(folder, programme)]
    assert any(one.startswith("sources/redcap-wide.yaml:") and field in one for one in named), named


def test_every_fault_of_every_file_is_found_in_one_run(tmp_path: Path, programme: Programme) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(MAPPINGS / "sources", folder)
    for name in ("redcap-wide", "answers-long"):
        file = folder / f"{name}.yaml"
        file.write_text(
            file.read_text().replace("Australia/Sydney", "Nowhere").replace("screening: s", "screening: x")
        )
    assert {fault.field.split(":")[0] for fault in faults(folder, programme)} == {
        "sources/redcap-wide.yaml",
        "sources/answers-long.yaml",
    }


def test_a_source_that_repeats_the_ids_of_nobody_is_wrong(tmp_path: Path, programme: Programme) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(MAPPINGS / "sources", folder)
    (folder / "redcap-wide.yaml").unlink()
    line = next(
        number
        for number, text in enumerate((folder / "answers-long.yaml").read_text().splitlines(), 1)
        if text.startswith("enrolments_of:")
    )
    assert [str(fault) for fault in faults(folder, programme)] == [
        f"sources/answers-long.yaml:{line} enrolments_of: names no source"
    ]
