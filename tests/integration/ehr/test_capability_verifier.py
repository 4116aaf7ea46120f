"""A destination is proven at the start and once a day, for all processes, and what it does not honour is not done."""

from collections.abc import Iterator

import pytest

from fhir_pmp.ehr.capability.probing.probe_session import SYSTEM
from fhir_pmp.ehr.capability.verified_capability import parse_verified
from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import HOSPITAL, publish, publish_people, score
from tests.integration.ehr.stub_server import stub_server
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.stub_ehr.server import StubServer


@pytest.fixture
def server() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


@pytest.fixture
def proxy(server: StubServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address) as proxy:
        yield proxy


@pytest.fixture
def harness(store: Store, proxy: FaultProxy) -> Iterator[SyncHarness]:
    with SyncHarness(store, proxy.address) as harness:
        harness.destination = destination(strategy=None)
        harness.verify_capability()
        yield harness


def probes(proxy: FaultProxy) -> int:
    """Writes of proofs so far."""
    return sum(SYSTEM.encode() in body for body in proxy.written_bodies())


def test_ids_of_ours_are_used_where_the_server_takes_them_without_saying_so(
    harness: SyncHarness, server: StubServer
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    assert harness.states() == {"sent": 9}
    assert {p["id"] for p in server.ehr.records.of_type("Patient")} == {"patient-1"}
    with harness.store.read() as uow:
        kept = uow.verifications.find(HOSPITAL)
    assert kept is not None
    proof = parse_verified(*kept)
    assert proof is not None
    assert (proof.at, proof.kind, proof.remains) == (harness.now, "Observation", ())
    assert all(proof.honours(way) for way in WriteStrategy if way is not WriteStrategy.NONE)


@pytest.mark.promise("P19")
def test_nothing_of_a_proof_stays_there(harness: SyncHarness, server: StubServer) -> None:
    publish_people(harness.store, 1)
    harness.push()
    standing = [r for kind in server.ehr.kinds for r in server.ehr.records.of_type(kind)]
    assert len(standing) == 9
    assert not any(SYSTEM in str(resource) for resource in standing)


@pytest.mark.promise("P19")
def test_it_is_proven_again_after_a_day_and_not_before(harness: SyncHarness, proxy: FaultProxy) -> None:
    publish_people(harness.store, 1)
    harness.push()
    first = probes(proxy)
    assert first > 5
    harness.later(hours=23)
    publish_people(harness.store, 1, first=2, now=harness.now)
    harness.push()
    assert probes(proxy) == first
    harness.later(hours=1)
    publish_people(harness.store, 1, first=3, now=harness.now)
    harness.push()
    assert probes(proxy) == 2 * first


def test_another_process_goes_by_the_same_proof_and_a_later_start_proves_anew(
    harness: SyncHarness, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    first = probes(proxy)
    for minutes, proofs in ((1, 1), (60, 2)):
        harness.later(minutes=minutes)
        harness.verify_capability()
        publish_people(harness.store, 1, first=minutes + 1, now=harness.now)
        harness.push()
        assert probes(proxy) == proofs * first


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_sick_while_it_is_proven_is_refused_nothing(
    harness: SyncHarness, proxy: FaultProxy, server: StubServer, status: int
) -> None:
    publish_people(harness.store, 1)
    proxy.plan = lambda call: InjectedFault("sick", status=status) if call.number > 5 else None
    harness.push()
    assert harness.states() == {"pending": 9}
    assert harness.work_items() == []
    proxy.plan = lambda _: None
    harness.later(minutes=20)
    harness.push_until_quiet()
    assert harness.states() == {"sent": 9}


def test_where_nothing_can_be_removed_it_is_not_proven_every_day(
    harness: SyncHarness, proxy: FaultProxy, server: StubServer
) -> None:
    server.ehr.deletes = False
    publish_people(harness.store, 1)
    harness.push()
    first = probes(proxy)
    for day in (2, 11, 20):
        harness.later(days=9)
        harness.verify_capability()
        publish_people(harness.store, 1, first=day, now=harness.now)
        harness.push()
    assert probes(proxy) == first
    harness.later(days=9)
    publish_people(harness.store, 1, first=99, now=harness.now)
    harness.push()
    assert probes(proxy) == 2 * first


def test_what_a_killed_proof_left_is_removed_by_a_later_one(harness: SyncHarness, server: StubServer) -> None:
    remains, just_made = (
        {
            "resourceType": "Observation",
            "status": "entered-in-error",
            "identifier": [{"system": SYSTEM, "value": value}],
        }
        for value in ("left", "just-made")
    )
    ehr = EhrObserver(server.address)
    old = ehr.ask("POST", "Observation", remains).json()["id"]
    kept = ehr.ask("POST", "Observation", just_made).json()["id"]
    versions = server.ehr.records.history("Observation", old)
    assert versions[0].resource is not None
    versions[0].resource["meta"]["lastUpdated"] = "2020-01-01T00:00:00.000+00:00"
    publish_people(harness.store, 1)
    harness.push()
    assert server.ehr.records.get("Observation", old) is None
    assert server.ehr.records.get("Observation", kept) is not None


def test_the_file_may_name_a_way_that_is_not_the_first(harness: SyncHarness, server: StubServer) -> None:
    harness.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    harness.verify_capability()
    publish_people(harness.store, 1)
    harness.push()
    assert harness.states() == {"sent": 9}
    assert all(p["id"].isdigit() for p in server.ehr.records.of_type("Patient"))


def test_what_went_under_our_id_is_updated_there_when_another_way_is_taken_by_now(
    harness: SyncHarness, server: StubServer
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    harness.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    harness.verify_capability()
    publish(harness.store, [score(1, 1, "5.00", status="amended")], now=harness.later(minutes=1))
    harness.push()
    assert harness.states() == {"sent": 10}
    amended = server.ehr.records.get("Observation", "score-1-1")
    assert amended is not None
    assert (amended["status"], amended["meta"]["versionId"]) == ("amended", "2")


def test_a_server_that_takes_no_updates_gets_what_is_new_and_a_person_gets_what_is_not(
    harness: SyncHarness, server: StubServer
) -> None:
    server.ehr.client_ids = server.ehr.updates = False
    publish_people(harness.store, 1)
    harness.push()
    assert harness.states() == {"sent": 9}
    publish(harness.store, [score(1, 1, "5.00", status="amended")], now=harness.later(minutes=1))
    harness.push()
    assert harness.states() == {"sent": 9, "dead": 1}
    assert [item.kind for item in harness.work_items()] == ["delivery_refused"]
    assert {o["status"] for o in server.ehr.records.of_type("Observation")} == {"final"}
