"""Opens clinic, store and publisher for benchmarks, with the shipped mappings and one destination."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.publishing.startup import prepare_publishing
from fhir_pmp.store import Store
from fhir_pmp.store.engine.migrating import migrate

MAPPINGS = Path(__file__).parent.parent / "mappings"
DESTINATION = DestinationId("hapi")
ZONE = ZoneInfo("Australia/Sydney")
SEED = 20230804
"""The seed of the demo's people."""
TODAY = date(2026, 11, 1)
"""The day of the export: fixed, so that every run measures the same people."""


def clock() -> datetime:
    """Returns the current time, aware, in UTC."""
    return datetime.now(UTC)


def load_bench_clinic(name: str = "bench") -> ClinicalContext:
    """Loads a clinic from the shipped mappings. Another `name` gives other ids and canonical URLs."""
    return load_clinic(
        MAPPINGS,
        wording=None,
        id_secret=name.encode().ljust(32, b"."),
        canonical_base=f"https://example.org/{name}",
        zone=ZONE,
    )


def open_store(database: Path, clinic: ClinicalContext) -> tuple[Store, Publisher]:
    """Creates a SQLite database, migrates it and publishes the definitions."""
    url = f"sqlite:///{database}"
    migrate(url)
    store = Store(url)
    store.check()
    publisher = Publisher((DESTINATION,), zone=clinic.zone)
    prepare_publishing(store, publisher, clinic, now=clock())
    return store, publisher
