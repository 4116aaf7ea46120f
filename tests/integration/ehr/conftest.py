"""A destination to push to: the stub EHR as a process, a fault proxy before it, and a clock that the test moves."""

from collections.abc import Iterator

import pytest

from fhir_pmp.store import Store
from tests.faults.proxy import FaultProxy
from tests.integration.ehr.house import Ehr, House
from tests.stub_ehr.process import StubProcess, stub_ehr


@pytest.fixture
def stub() -> Iterator[StubProcess]:
    """A stub EHR of this test's own."""
    with stub_ehr() as process:
        yield process


@pytest.fixture
def proxy(stub: StubProcess) -> Iterator[FaultProxy]:
    """A proxy before the stub that does no harm until it is given a plan."""
    with FaultProxy(stub.address) as proxy:
        yield proxy


@pytest.fixture
def house(store: Store, proxy: FaultProxy) -> Iterator[House]:
    """Our side: a store, the push, and the clock."""
    with House(store, proxy.address) as house:
        yield house


@pytest.fixture
def ehr(stub: StubProcess) -> Ehr:
    """The stub as a third party sees it, past the proxy."""
    return Ehr(stub.address)
