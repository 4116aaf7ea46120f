"""The web process over each database."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.pathway.clinic_loading import load_clinic
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.store import Store
from tests.integration.web.web_harness import MAPPINGS, WebHarness, build_web_harness


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
def harness(store: Store, clinic: ClinicalContext) -> Iterator[WebHarness]:
    harness = build_web_harness(store, clinic)
    yield harness
    harness.web_context.audit.close()
    harness.web_context.letter_context.close()
