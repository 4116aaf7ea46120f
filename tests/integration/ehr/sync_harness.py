"""Our side of a test: a store, a destination, the push, and a clock that the test moves."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import requests

from fhir_pmp.ehr.capability.capability_verifier import CapabilityVerifier
from fhir_pmp.ehr.config.destinations import Destination, PatientOwnership, WriteStrategy
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.connection.readback import ReadBackMonitor
from fhir_pmp.ehr.push.worker import PushPace, PushResult, PushWorker
from fhir_pmp.ehr.transport.client import EhrClient, Limits
from fhir_pmp.store import Store
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.store.delivery.deliveries import Delivery
from tests.integration.ehr.sample_resources import HOSPITAL, MEDICARE, NOW
from tests.stub_ehr.json_text import from_json, to_json

Resource = dict[str, Any]


def destination(
    patients: PatientOwnership = PatientOwnership.OURS,
    *,
    types: Sequence[str] | None = None,
    strategy: WriteStrategy | None = WriteStrategy.OUR_ID,
    entries: int = 200,
) -> Destination:
    """A destination file, as values."""
    return Destination(
        id=HOSPITAL,
        title="A hospital",
        patients=patients,
        identifier_systems=(MEDICARE,) if patients is PatientOwnership.THEIRS else (),
        types=None if types is None else frozenset(types),
        strategy=strategy,
        entries_per_bundle=entries,
        connections=None,
    )


class SyncHarness:
    """Pushes to one address, and reads the address past all proxies of ours."""

    def __init__(
        self, store: Store, address: str, *, connections: int = 2, limits: Limits | None = None
    ) -> None:
        self.store = store
        self.now = NOW
        self.client = EhrClient(address, connections=connections, limits=limits or Limits(2.0, 5.0, 10.0))
        self.destination = destination()
        self._connection = EhrConnection(self.destination, self.client)

    def __enter__(self) -> "SyncHarness":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def push(self, **pace: Any) -> PushResult:
        """Pushes what is due at this moment of the test's clock."""
        if self._connection.destination != self.destination:
            self._connection = EhrConnection(self.destination, self.client)
        push = PushWorker(
            self.store,
            self._connection,
            lambda: self.now,
            pace=PushPace(**pace),
            rng=Random(11),
            wait=lambda seconds: self.later(seconds=seconds),
        )
        return push.run()

    def verify_capability(self, search_timeout: float = 1.0) -> None:
        """From now on the destination is proven before it is written to, and what it made of ours is read back."""
        verifier, readback = (
            CapabilityVerifier(self.store, search_timeout=search_timeout),
            ReadBackMonitor(lambda: self.now),
        )
        self._connection = EhrConnection(self.destination, self.client, verifier, readback)

    def forget_capability(self) -> None:
        """As a process that was just started."""
        self._connection = EhrConnection(self.destination, self.client)

    def learn_capability(self, at: str | None = None) -> None:
        """Asks what the server can do, as a process has that runs for a while; past a proxy where `at` says so."""
        with EhrClient(at or self.client.base) as client:
            capability = EhrConnection(self.destination, client).capability(self.now)
        self._connection = EhrConnection(self.destination, self.client, _capability=capability)

    def push_until_quiet(self, most: int = 50) -> Counter[str]:
        """Pushes again and again, the clock moving a minute each time, until nothing is left to be sent."""
        counts: Counter[str] = Counter()
        for _ in range(most):
            counts += self.push().counts
            if not {"pending", "in_flight"} & self.states().keys():
                return counts
            self.now += timedelta(minutes=1)
        raise AssertionError(f"still unsent after {most} pushes: {self.states()}")

    def later(self, **by: float) -> datetime:
        """Moves the clock."""
        self.now += timedelta(**by)
        return self.now

    def deliveries(self) -> list[Delivery]:
        """Every delivery, as it stands."""
        with self.store.read() as uow:
            return list(uow.deliveries.list_all(limit=10_000))

    def states(self) -> Counter[str]:
        """How many deliveries stand where."""
        return Counter(delivery.state.value for delivery in self.deliveries())

    def state_of(self, reference: str) -> str:
        """Where the newest delivery of a `Type/id` stands."""
        return [d.state.value for d in self.deliveries() if d.reference == reference][-1]

    def work_items(self) -> list[WorkItem]:
        """What people must decide."""
        with self.store.read() as uow:
            return uow.work_items.list_open()


class EhrObserver:
    """The EHR as a third party sees it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str) -> Resource:
        """A resource that must be there."""
        response = self.ask("GET", path)
        assert response.status_code == 200, (path, response.status_code)
        body: Resource = from_json(response.content)
        return body

    def ask(self, method: str, path: str, body: Resource | None = None) -> requests.Response:
        """One request."""
        headers = {"Cache-Control": "no-cache", "Content-Type": "application/fhir+json"}
        data = None if body is None else to_json(body)
        return requests.request(method, f"{self.address}/{path}", data=data, headers=headers, timeout=30)

    def all(self, kind: str) -> list[Resource]:
        """Every resource of a type."""
        bundle = self.get(f"{kind}?_count=5000")
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def versions(self, reference: str) -> int:
        """How many versions of a resource there are."""
        return int(self.get(reference)["meta"]["versionId"])
