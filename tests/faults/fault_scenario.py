"""One test's scene: a database, our side, a fault proxy and an EHR behind it, which is the stub or the real one."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fhir_pmp.ehr.transport.client import Limits
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import Delivery, DeliveryState
from tests.ehr_comparison import business_key_of, is_same_json
from tests.fault_injection.fault_proxy import FaultProxy
from tests.faults.processes.push_processes import PushProcesses
from tests.integration.ehr.sample_resources import publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness
from tests.stub_ehr.interactions import StubEhr
from tests.stub_ehr.json_text import from_json
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.records import Records
from tests.stub_ehr.server import StubServer


@dataclass
class FaultScenario:
    """Our side and one EHR. `first` is the number of this test's first person: others use the same HAPI."""

    harness: SyncHarness
    ehr: EhrObserver
    proxy: FaultProxy
    database: str
    first: int = 1
    push_processes: PushProcesses = field(init=False)

    def __post_init__(self) -> None:
        self.push_processes = PushProcesses(self.database)

    @property
    def store(self) -> Store:
        """Our database."""
        return self.harness.store

    @property
    def score_reference(self) -> str:
        """The first person's first score."""
        return f"Observation/score-{self.first}-1"

    def publish_people(self, count: int = 2, *, each: int = 3, after: int = 0) -> None:
        """People of this test with everything about them; `after` counts from the first one on."""
        publish_people(self.store, count, each, first=self.first + after)

    def publish(self, *resources: RenderedResource) -> None:
        """In one transaction."""
        publish(self.store, resources)

    def correct_scores(self, value: str = "5.00", ks: Sequence[int] = (1, 2, 3)) -> None:
        """A new version of the first person's scores."""
        self.publish(*(score(self.first, k, value) for k in ks))

    def value(self, k: int = 1) -> str:
        """What the EHR holds of the first person's score `k`."""
        return str(self.ehr.get(f"Observation/score-{self.first}-{k}")["valueQuantity"]["value"])

    def newest_delivery(self, reference: str | None = None) -> Delivery:
        """The delivery of the newest version."""
        return [d for d in self.harness.deliveries() if d.reference == (reference or self.score_reference)][
            -1
        ]

    def set_call_limits(self, limits: Limits) -> None:
        """How long and how much a call may be, from now on."""
        self.harness.client.limits = limits

    def assert_all_delivered_once(self, versions: int | None = None) -> None:
        """Everything is sent and stands there exactly once, equal to what was last sent, in so many versions."""
        assert set(self.harness.states()) <= {"sent", "superseded"}, self.harness.states()
        self.assert_sent_exists_once(versions)
        assert self.harness.work_items() == []

    def assert_sent_exists_once(self, versions: int | None = None) -> None:
        """What was sent stands there exactly once, equal to what was last sent."""
        for reference, content in self._last_sent().items():
            (found,) = self._find(content)
            assert is_same_json(_without_meta(found), _without_meta(content)), reference
            if versions is not None and not reference.startswith("Organization"):
                assert found["meta"]["versionId"] == str(versions), reference

    def _last_sent(self) -> dict[str, Resource]:
        with self.store.read() as uow:
            sent = uow.deliveries.list_all(states=[DeliveryState.SENT], limit=10_000)
            newest_delivery = {d.reference: d for d in sorted(sent, key=lambda d: d.version)}
            bytes_of = {r: uow.deliveries.sent_bytes(d.seq) or b"" for r, d in newest_delivery.items()}
        assert bytes_of, "nothing was sent"
        return {reference: from_json(content) for reference, content in bytes_of.items()}

    def _find(self, content: Resource) -> list[Resource]:
        kind, key = business_key_of(content)
        if kind == "Bundle" or "identifier" not in content:  # not every server searches documents
            return [self.ehr.get(f"{kind}/{content['id']}")]
        bundle = self.ehr.get(f"{kind}?identifier={key.replace('|', '%7C')}")
        return [entry["resource"] for entry in bundle.get("entry", [])]


def _without_meta(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "meta"}


@contextmanager
def in_process_stub() -> Iterator[str]:
    """The address of a stub EHR with nothing in it."""
    with StubServer(StubEhr(Records(), Pages(0.0))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()


@contextmanager
def scenario_against(
    address: str, database: str, *, first: int = 1, connections: int = 2
) -> Iterator[FaultScenario]:
    """A scene over this database before the EHR at this address."""
    store = Store(database)
    with FaultProxy(address) as proxy, SyncHarness(store, proxy.address, connections=connections) as harness:
        scenario = FaultScenario(harness, EhrObserver(address), proxy, database, first)
        try:
            yield scenario
        finally:
            scenario.push_processes.end()
            store.close()


def unique_person_number() -> int:
    """A number that no other test's people have."""
    return 1000 + secrets.randbelow(10**9)
