"""Destination files: those shipped load, and every mistake is named with its line."""

from pathlib import Path

import pytest

from fhir_pmp.ehr.config.destinations import PatientOwnership, load_destinations
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.instruments.loading import load_instruments
from fhir_pmp.mapping_file import MappingFaults

SHIPPED = Path(__file__).parents[3] / "mappings" / "destinations"


def test_the_files_shipped_say_what_they_mean() -> None:
    found = load_destinations(SHIPPED)
    observations, documents = (
        found[DestinationId("example-observations")],
        found[DestinationId("example-documents")],
    )
    assert observations.types == frozenset({"Observation"})
    assert observations.content_rules.categories == frozenset({"vital-signs", "survey"})
    assert [one.theirs["code"] for one in observations.content_rules.codes] == ["PSEQ"]
    assert documents.types == frozenset({"DocumentReference"})
    hapi, hospital = found[DestinationId("hapi")], found[DestinationId("example-hospital")]
    assert (hapi.patients, hapi.strategy, hapi.types) == (PatientOwnership.OURS, None, None)
    assert hapi.accepts_type("Patient")
    assert hapi.accepts_type("Condition")
    assert (hospital.patients, hospital.strategy, hospital.connections) == (PatientOwnership.THEIRS, None, 2)
    assert not hospital.accepts_type("Patient")
    assert not hospital.accepts_type("Condition")
    assert hospital.accepts_type("Observation")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "id: other\ntitle: x\npatients: ours\n",
            "destinations/clinic.yaml:1 id: must be the name of the file",
        ),
        ("id: clinic\ntitle: x\npatients: theirs\n", "identifier_systems: must name at least one system"),
        (
            "id: clinic\ntitle: x\npatients: ours\nidentifier_systems: [urn:a]\n",
            "has no meaning where patients are ours",
        ),
        ("id: clinic\ntitle: x\npatients: mine\n", "patients: must be one of ours, theirs"),
        (
            "id: clinic\ntitle: x\npatients: ours\ntypes: [observation]\n",
            "types[0]: must be the name of a FHIR resource type",
        ),
        (
            "id: clinic\ntitle: x\npatients: theirs\nidentifier_systems: [urn:a]\ntypes: [Patient]\n",
            "types: must not hold Patient where patients are theirs",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\ncategories: [vitals]\n",
            "categories: must be categories of Observations: activity, exam,",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\ncodes:\n  - {ours: pseq.total, system: urn:a, code: b, display: c}\n",
            "clinic.yaml:5 codes[0].ours: must be SYSTEM|CODE",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\ncodes:\n"
            "  - {ours: scales|pseq.total, system: urn:a, code: b, display: c}\n"
            "  - {ours: scales|pseq.total, system: urn:a, code: d, display: e}\n",
            "clinic.yaml:4 codes: translates one code of ours twice",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\ncodes:\n  - {ours: scales|a, system: loinc, code: b, display: c}\n",
            "codes[0].system: must be a URI",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\nsign_in: {client_id: a, scope: b, algorithm: RS256}\n",
            "sign_in.algorithm: must be one of RS384, ES384",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\n"
            'sign_in: {client_id: a, scope: b, algorithm: ES384, token_origins: ["http://x"]}\n',
            "sign_in.token_origins[0]: must be https://HOST",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\nprobe_subject: somebody\n",
            "probe_subject: must be Patient/ID of a test patient at the EHR",
        ),
        ("id: clinic\ntitle: x\npatients: ours\nstrategy: none\n", "strategy: must be a way of writing"),
        (
            "id: clinic\ntitle: x\npatients: ours\nentries_per_bundle: 501\n",
            "entries_per_bundle: must be from 1 to 500",
        ),
        (
            "id: clinic\ntitle: x\npatients: ours\nurl: http://x\n",
            "destinations/clinic.yaml:4 url: is not a key we know",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, fault: str) -> None:
    folder = tmp_path / "destinations"
    folder.mkdir()
    (folder / "clinic.yaml").write_text(text)
    with pytest.raises(MappingFaults) as raised:
        load_destinations(folder)
    assert fault in str(raised.value)


def test_every_file_is_read_before_anything_is_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("title: x\n")
    with pytest.raises(MappingFaults) as raised:
        load_destinations(tmp_path)
    assert {fault.field.partition(":")[0].rpartition("/")[2] for fault in raised.value.faults} == {
        "a.yaml",
        "b.yaml",
    }


def test_a_code_of_ours_that_no_instrument_has_is_named(tmp_path: Path) -> None:
    code = "{ours: %s, system: urn:a, code: b, display: c}"
    file = tmp_path / "clinic.yaml"
    instruments = load_instruments(SHIPPED.parent / "instruments", None)
    for ours, wrong in (
        ("scales|pseq.totl", "codes[0].ours: is no code of our scales"),
        ("items|pseq-11", "codes[0].ours: is no code of our items"),
        ("scales|change.pseq.total", None),
        ("items|pseq-10", None),
        ("http://loinc.org|44261-6", None),
    ):
        file.write_text(f"id: clinic\ntitle: x\npatients: ours\ncodes:\n  - {code % ours}\n")
        load_destinations(tmp_path)
        if wrong is None:
            load_destinations(tmp_path, instruments.values())
            continue
        with pytest.raises(MappingFaults) as raised:
            load_destinations(tmp_path, instruments.values())
        assert wrong in str(raised.value)
