"""The house as a bench opens it: the shipped mappings, and one destination to queue for."""

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
"""The demo's people."""
TODAY = date(2026, 11, 1)
"""The day of their export: always the same, so that a later run measures the same people."""


def clock() -> datetime:
    """Now, as the commands ask it."""
    return datetime.now(UTC)


def load_bench_clinic(name: str = "bench") -> ClinicalContext:
    """A clinic of the shipped mappings. Another name gives other ids and canonicals for everything."""
    return load_clinic(
        MAPPINGS,
        wording=None,
        id_secret=name.encode().ljust(32, b"."),
        canonical_base=f"https://example.org/{name}",
        zone=ZONE,
    )


def open_store(database: Path, clinic: ClinicalContext) -> tuple[Store, Publisher]:
    """A migrated SQLite database in which the definitions are published."""
    url = f"sqlite:///{database}"
    migrate(url)
    store = Store(url)
    store.check()
    publisher = Publisher((DESTINATION,), zone=clinic.zone)
    prepare_publishing(store, publisher, clinic, now=clock())
    return store, publisher
