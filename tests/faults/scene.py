"""One test's scene: a database, our side, a fault proxy and an EHR behind it, which is the stub or the real one."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fhir_pmp.ehr.client import Limits
from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import Delivery, DeliveryState
from tests.ehr_check import business_key, same
from tests.faults.proxy import FaultProxy
from tests.faults.sync_process import SyncProcesses
from tests.integration.ehr.house import Ehr, House, Resource
from tests.integration.ehr.sample import publish, publish_people, score
from tests.stub_ehr.json_text import from_json
from tests.stub_ehr.pages import Pages
from tests.stub_ehr.records import Records
from tests.stub_ehr.requests_in import Ehr as StubEhr
from tests.stub_ehr.server import StubServer


@dataclass
class Scene:
    """Our side and one EHR. `first` is the number of this test's first person: others use the same HAPI."""

    house: House
    ehr: Ehr
    proxy: FaultProxy
    database: str
    first: int = 1
    syncs: SyncProcesses = field(init=False)

    def __post_init__(self) -> None:
        self.syncs = SyncProcesses(self.database)

    @property
    def store(self) -> Store:
        """Our database."""
        return self.house.store

    @property
    def observation(self) -> str:
        """The first person's first score."""
        return f"Observation/score-{self.first}-1"

    def publish_people(self, count: int = 2, *, each: int = 3, after: int = 0) -> None:
        """People of this test with everything about them; `after` counts from the first one on."""
        publish_people(self.store, count, each, first=self.first + after)

    def publish(self, *resources: Rendered) -> None:
        """In one transaction."""
        publish(self.store, resources)

    def correct_scores(self, value: str = "5.00", ks: Sequence[int] = (1, 2, 3)) -> None:
        """A new version of the first person's scores."""
        self.publish(*(score(self.first, k, value) for k in ks))

    def value(self, k: int = 1) -> str:
        """What the EHR holds of the first person's score `k`."""
        return str(self.ehr.get(f"Observation/score-{self.first}-{k}")["valueQuantity"]["value"])

    def newest(self, reference: str | None = None) -> Delivery:
        """The delivery of the newest version."""
        return [d for d in self.house.deliveries() if d.reference == (reference or self.observation)][-1]

    def make_limits(self, limits: Limits) -> None:
        """How long and how much a call may be, from now on."""
        self.house.client.limits = limits

    def expect_all_once(self, versions: int | None = None) -> None:
        """Everything is sent and stands there exactly once, equal to what was last sent, in so many versions."""
        assert set(self.house.states()) <= {"sent", "superseded"}, self.house.states()
        self.expect_sent_once(versions)
        assert self.house.work_items() == []

    def expect_sent_once(self, versions: int | None = None) -> None:
        """What was sent stands there exactly once, equal to what was last sent."""
        for reference, content in self._last_sent().items():
            (found,) = self._find(content)
            assert same(_without_meta(found), _without_meta(content)), reference
            if versions is not None and not reference.startswith("Organization"):
                assert found["meta"]["versionId"] == str(versions), reference

    def _last_sent(self) -> dict[str, Resource]:
        with self.store.read() as books:
            sent = books.deliveries.list_all(states=[DeliveryState.SENT], limit=10_000)
            newest = {d.reference: d for d in sorted(sent, key=lambda d: d.version)}
            bytes_of = {r: books.deliveries.sent_bytes(d.seq) or b"" for r, d in newest.items()}
        assert bytes_of, "nothing was sent"
        return {reference: from_json(content) for reference, content in bytes_of.items()}

    def _find(self, content: Resource) -> list[Resource]:
        kind, key = business_key(content)
        if kind == "Bundle" or "identifier" not in content:  # not every server searches documents
            return [self.ehr.get(f"{kind}/{content['id']}")]
        bundle = self.ehr.get(f"{kind}?identifier={key.replace('|', '%7C')}")
        return [entry["resource"] for entry in bundle.get("entry", [])]


def _without_meta(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "meta"}


@contextmanager
def stub_in_this_process() -> Iterator[str]:
    """The address of a stub EHR with nothing in it."""
    with StubServer(StubEhr(Records(), Pages(0.0))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()


@contextmanager
def scene_before(address: str, database: str, *, first: int = 1, connections: int = 2) -> Iterator[Scene]:
    """A scene over this database before the EHR at this address."""
    store = Store(database)
    with FaultProxy(address) as proxy, House(store, proxy.address, connections=connections) as house:
        scene = Scene(house, Ehr(address), proxy, database, first)
        try:
            yield scene
        finally:
            scene.syncs.end()
            store.close()


def someone() -> int:
    """A number that no other test's people have."""
    return 1000 + secrets.randbelow(10**9)
