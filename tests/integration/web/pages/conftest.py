"""The pages over each database, with a typesetter for the session."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.typesetting import Typesetter
from fhir_pmp.store import Store
from tests.integration.web.pages.day import Day, Visitor, open_day
from tests.spec.letters.cases import MAPPINGS


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture
def day(store: Store, typesetter: Typesetter) -> Iterator[Day]:
    """An empty clinic at ten in the morning."""
    day = open_day(store, typesetter)
    yield day
    day.desk.audit.close()


@pytest.fixture
def ada(day: Day) -> Visitor:
    """A clinician who has logged in."""
    return day.browser(day.ada)


@pytest.fixture
def sam(day: Day) -> Visitor:
    """An administrator who has logged in."""
    return day.browser(day.sam)
