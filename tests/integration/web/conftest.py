"""The web process over each database."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.opening import open_clinic
from fhir_pmp.store import Store
from tests.integration.web.house import MAPPINGS, House, open_house


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
def house(store: Store, clinic: Clinic) -> Iterator[House]:
    house = open_house(store, clinic)
    yield house
    house.desk.audit.close()
    house.desk.press.close()
