"""The pages over each database, with a typesetter for the session."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.store import Store
from tests.integration.web.pages.clinic_harness import ClinicHarness, FormBrowser, build_clinic_harness
from tests.spec.letters.golden_cases import MAPPINGS


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture
def harness(store: Store, typesetter: Typesetter) -> Iterator[ClinicHarness]:
    """An empty clinic at ten in the morning."""
    harness = build_clinic_harness(store, typesetter)
    yield harness
    harness.web_context.audit.close()


@pytest.fixture
def clinician(harness: ClinicHarness) -> FormBrowser:
    """A clinician who has logged in."""
    return harness.browser(harness.clinician)


@pytest.fixture
def administrator(harness: ClinicHarness) -> FormBrowser:
    """An administrator who has logged in."""
    return harness.browser(harness.administrator)
