"""The EHRs that are asked: our stub always, HAPI, and any server named in FHIR_PMP_TEST_EHR."""

import os
from collections.abc import Iterator

import pytest

from tests.contract.ehr.fhir_caller import Caller
from tests.stub_ehr.process import stub_ehr

NAMED = os.environ.get("FHIR_PMP_TEST_EHR")
EHRS = [
    pytest.param("stub"),
    pytest.param("hapi", marks=pytest.mark.hapi),
    *([pytest.param("named")] if NAMED else []),
]


@pytest.fixture(scope="session")
def stub_address() -> Iterator[str]:
    """The base address of a stub EHR."""
    with stub_ehr() as process:
        yield process.address


@pytest.fixture(params=EHRS)
def ehr(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """One EHR after the other; each test makes its own people, so that they share a server."""
    with Caller(_address(request)) as caller:
        yield caller


@pytest.fixture(params=EHRS[:2])
def ehr_of_ours(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """The stub and HAPI: nobody walks every page of somebody else's server."""
    with Caller(_address(request)) as caller:
        yield caller


def _address(request: pytest.FixtureRequest) -> str:
    if request.param == "stub":
        return str(request.getfixturevalue("stub_address"))
    if request.param == "hapi":
        return str(request.getfixturevalue("hapi").base_url)
    return str(NAMED)
