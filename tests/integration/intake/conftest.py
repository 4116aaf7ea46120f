"""A clinic that takes in what arrives, over each database."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.intake.source_files import load_sources
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.opening import open_clinic
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.integration.intake.house import House

MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.fixture(scope="session")
def clinic() -> Clinic:
    return open_clinic(
        MAPPINGS,
        wording=None,
        id_secret=b"0123456789abcdef0123456789abcdef",
        canonical_base="https://clinic.example/fhir",
        zone=ZoneInfo("Australia/Sydney"),
    )


@pytest.fixture
def house(store: Store, clinic: Clinic, publisher: Publisher, tmp_path: Path) -> House:
    return House(store, clinic, publisher, load_sources(MAPPINGS / "sources", clinic.programme), tmp_path)
