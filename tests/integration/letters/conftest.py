"""A house with a press, on each database; one typesetter for the session."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.press import Press
from fhir_pmp.letters.typesetting import Typesetter
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.integration.letters.house import House
from tests.spec.letters.cases import MAPPINGS, clinic, wording


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture
def house(store: Store, publisher: Publisher, typesetter: Typesetter) -> House:
    return House.open(store, publisher, Press(clinic(), wording(), publisher, typesetter))
