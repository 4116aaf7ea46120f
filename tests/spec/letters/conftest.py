"""One typesetter for all letters of a session: it is slow to start and fast to use."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.typesetting import Typesetter
from tests.conftest import found_or_counted
from tests.spec.letters.cases import MAPPINGS
from tests.spec.letters.reading import find_poppler


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture(scope="session", autouse=True)
def poppler() -> str:
    return found_or_counted(find_poppler)
