"""A destination to push to: the stub EHR as a process, a fault proxy before it, and a clock that the test moves."""

from collections.abc import Iterator

import pytest

from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import FaultProxy
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness
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
def harness(store: Store, proxy: FaultProxy) -> Iterator[SyncHarness]:
    """Our side: a store, the push, and the clock."""
    with SyncHarness(store, proxy.address) as harness:
        yield harness


@pytest.fixture
def ehr(stub: StubProcess) -> EhrObserver:
    """The stub as a third party sees it, past the proxy."""
    return EhrObserver(stub.address)
