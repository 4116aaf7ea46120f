"""One typesetter for all letters of a session: it is slow to start and fast to use."""

from collections.abc import Iterator

import pytest

from fhir_pmp.letters.rendering.typesetting import Typesetter
from tests.conftest import require_part
from tests.spec.letters.golden_cases import MAPPINGS
from tests.spec.letters.pdf_text import find_poppler


@pytest.fixture(scope="session")
def typesetter() -> Iterator[Typesetter]:
    with Typesetter(MAPPINGS / "letters") as typesetter:
        yield typesetter


@pytest.fixture(scope="session", autouse=True)
def poppler() -> str:
    return require_part(find_poppler)
