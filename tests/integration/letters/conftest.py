"""A house with a press, on each database; one typesetter for the session."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.context import LetterContext
from fhir_pmp.letters.rendering.typesetting import Typesetter
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Store
from tests.integration.letters.letter_harness import LetterHarness
from tests.spec.letters.golden_cases import MAPPINGS, clinic, wording


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture
def harness(store: Store, publisher: Publisher, typesetter: Typesetter) -> LetterHarness:
    return LetterHarness.open(store, publisher, LetterContext(clinic(), wording(), publisher, typesetter))
