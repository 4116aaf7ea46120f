"""A clinic that takes in what arrives, over each database."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.intake.csv_import.source_loading import load_sources
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate
from tests.backing_services.postgres import PostgresServer
from tests.conftest import require_part
from tests.integration.intake.intake_harness import IntakeHarness

MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.fixture(scope="session")
def clinic() -> ClinicalContext:
    return load_clinic(
        MAPPINGS,
        wording=None,
        id_secret=b"0123456789abcdef0123456789abcdef",
        canonical_base="https://clinic.example/fhir",
        zone=ZoneInfo("Australia/Sydney"),
    )


@pytest.fixture
def harness(store: Store, clinic: ClinicalContext, publisher: Publisher, tmp_path: Path) -> IntakeHarness:
    return IntakeHarness(
        store, clinic, publisher, load_sources(MAPPINGS / "sources", clinic.programme), tmp_path
    )


@pytest.fixture(scope="session")
def durable_server() -> Iterator[PostgresServer]:
    """A PostgreSQL as a clinic would run it: the commands refuse one that may forget."""
    server = require_part(PostgresServer(durable=True).start)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of this test's own, for the real commands."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "durable.db")
        yield f"sqlite:///{tmp_path / 'durable.db'}"
        return
    server: PostgresServer = request.getfixturevalue("durable_server")
    name = server.new_database()
    migrate(server.url(name))
    yield server.url(name)
    server.drop_database(name)
