"""The recipe "Add an export source" (docs/how-to/import-an-export.md), followed step by step for a new platform."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from fhir_pmp.identifiers import SourceId
from fhir_pmp.intake.csv_import.csv_rows import FileNotReadable
from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.runtime import check_all_mappings
from fhir_pmp.store.versions.read_scope import Reader
from tests.integration.intake.conftest import MAPPINGS
from tests.integration.intake.intake_harness import STARTED, IntakeHarness, day_of

RIVER = SourceId("river-portal")
OUR_WORDS = {  # the shipped file's words -> the words of the new platform
    "id: redcap-wide": "id: river-portal",
    "title: Wide export, a row per person and timepoint": "title: Export of the River portal",
    "zone: Australia/Sydney": "zone: Australia/Perth",
    "enrolment: record_id": "enrolment: member",
    "timepoint: redcap_event_name": "timepoint: visit",
    "start_arm_1: start": "first visit: start",
    '{"1": "yes", "0": "no"}': "{Y: 'yes', N: 'no'}",
    "sex: {female: female,": "sex: {woman: female,",
    "date_suffix: _date ": "date_suffix: _on ",
}
ROW = {
    "member": "R-17",
    "visit": "first visit",
    "given_name": "Ann",
    "family_name": "River",
    "birth_date": "1970-01-02",
    "sex": "woman",
    "medicare_number": "m-17",
    "share_with_ehr": "Y",
    "enrolled_on": "2026-02-25",
    "started_on": STARTED.isoformat(),
    "gad7_on": day_of("start"),
    "gad7_amends": "",
    **{f"gad7_{number}": "1" for number in range(1, 8)},
    **dict.fromkeys((f"lesson_{number}_on" for number in range(1, 6)), ""),
    **dict.fromkeys(("referral_number", "ended_on", "ended_how", "stop_reason"), ""),
    **dict.fromkeys(("gp_practice_id", "gp_practice_name", "gp_provider_id", "gp_name"), ""),
}


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """A copy of the mappings with the file of the new source, after steps 1 to 3."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    text = (folder / "sources" / "redcap-wide.yaml").read_text()
    for shipped, ours in OUR_WORDS.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    (folder / "sources" / "river-portal.yaml").write_text(text)
    return folder


def test_added_source_is_imported_end_to_end(harness: IntakeHarness, mappings: Path) -> None:
    assert check_all_mappings(mappings, None) == []  # step 4
    harness.sources = load_sources(mappings / "sources", harness.clinic.programme)
    imported = harness.import_file(_csv(ROW), RIVER)  # step 5
    assert (imported.counts, imported.refusals) == ((1, 0, 0, 0), [])
    with harness.store.read() as uow:
        episode = uow.episodes.find_by_enrolment(RIVER, "R-17")
        assert episode is not None
        (recorded,) = uow.responses.of_episode(episode.id)
        person = uow.people.get(episode.person)
        published = uow.published.of_person(Reader.internal(), person.id)
    assert (person.family, person.sex, episode.share_with_ehr) == ("River", "female", True)
    assert (recorded.response.source, recorded.scores[0].published) == (RIVER, "7")
    assert {"Patient", "EpisodeOfCare", "QuestionnaireResponse", "Observation"} <= {
        version.type for version in published
    }
    assert harness.import_file(_csv(ROW), RIVER).counts == (0, 1, 0, 0)


def test_unknown_column_refuses_the_file_until_it_is_ignored(harness: IntakeHarness, mappings: Path) -> None:
    file = _csv(ROW | {"portal_colour": "blue"})
    harness.sources = load_sources(mappings / "sources", harness.clinic.programme)
    with pytest.raises(FileNotReadable):
        harness.import_file(file, RIVER)
    with (mappings / "sources" / "river-portal.yaml").open("a") as source:
        source.write("ignored: [portal_colour]\n")
    harness.sources = load_sources(mappings / "sources", harness.clinic.programme)
    assert harness.import_file(file, RIVER).counts == (1, 0, 0, 0)


def test_fault_of_the_new_file_is_named(mappings: Path) -> None:
    source = mappings / "sources" / "river-portal.yaml"
    source.write_text(source.read_text().replace("Australia/Perth", "Australia/Nowhere"))
    (fault,) = check_all_mappings(mappings, None)
    assert "river-portal.yaml" in f"{fault}" and "zone" in f"{fault}"


def _csv(row: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    return text.getvalue()
