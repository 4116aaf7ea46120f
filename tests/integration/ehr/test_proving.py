"""A destination is proven at the start and once a day, for all processes, and what it does not honour is not done."""

from collections.abc import Iterator

import pytest

from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.probing.ground import SYSTEM
from fhir_pmp.ehr.proof import read_proof
from fhir_pmp.store import Store
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.sample import HOSPITAL, publish, publish_people, score
from tests.integration.ehr.stubs import stub_that
from tests.stub_ehr.server import StubServer


@pytest.fixture
def server() -> Iterator[StubServer]:
    with stub_that() as server:
        yield server


@pytest.fixture
def proxy(server: StubServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address) as proxy:
        yield proxy


@pytest.fixture
def house(store: Store, proxy: FaultProxy) -> Iterator[House]:
    with House(store, proxy.address) as house:
        house.destination = destination(strategy=None)
        house.believe_nothing()
        yield house


def probes(proxy: FaultProxy) -> int:
    """Writes of proofs so far."""
    return sum(SYSTEM.encode() in body for body in proxy.written())


def test_ids_of_ours_are_used_where_the_server_takes_them_without_saying_so(
    house: House, server: StubServer
) -> None:
    publish_people(house.store, 1)
    house.push()
    assert house.states() == {"sent": 9}
    assert {p["id"] for p in server.ehr.records.of_type("Patient")} == {"patient-1"}
    with house.store.read() as books:
        kept = books.proofs.find(HOSPITAL)
    assert kept is not None
    proof = read_proof(*kept)
    assert proof is not None
    assert (proof.at, proof.kind, proof.left) == (house.now, "Observation", ())
    assert all(proof.honours(way) for way in WriteStrategy if way is not WriteStrategy.NONE)


def test_nothing_of_a_proof_stays_there(house: House, server: StubServer) -> None:
    publish_people(house.store, 1)
    house.push()
    standing = [r for kind in server.ehr.kinds for r in server.ehr.records.of_type(kind)]
    assert len(standing) == 9
    assert not any(SYSTEM in str(resource) for resource in standing)


def test_it_is_proven_again_after_a_day_and_not_before(house: House, proxy: FaultProxy) -> None:
    publish_people(house.store, 1)
    house.push()
    first = probes(proxy)
    assert first > 5
    house.later(hours=23)
    publish_people(house.store, 1, first=2, now=house.now)
    house.push()
    assert probes(proxy) == first
    house.later(hours=1)
    publish_people(house.store, 1, first=3, now=house.now)
    house.push()
    assert probes(proxy) == 2 * first


def test_another_process_goes_by_the_same_proof_and_a_later_start_proves_anew(
    house: House, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    first = probes(proxy)
    for minutes, proofs in ((1, 1), (60, 2)):
        house.later(minutes=minutes)
        house.believe_nothing()
        publish_people(house.store, 1, first=minutes + 1, now=house.now)
        house.push()
        assert probes(proxy) == proofs * first


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_sick_while_it_is_proven_is_refused_nothing(
    house: House, proxy: FaultProxy, server: StubServer, status: int
) -> None:
    publish_people(house.store, 1)
    proxy.plan = lambda call: Fault("sick", status=status) if call.number > 5 else None
    house.push()
    assert house.states() == {"pending": 9}
    assert house.work_items() == []
    proxy.plan = lambda _: None
    house.later(minutes=20)
    house.push_until_quiet()
    assert house.states() == {"sent": 9}


def test_where_nothing_can_be_removed_it_is_not_proven_every_day(
    house: House, proxy: FaultProxy, server: StubServer
) -> None:
    server.ehr.deletes = False
    publish_people(house.store, 1)
    house.push()
    first = probes(proxy)
    for day in (2, 11, 20):
        house.later(days=9)
        house.believe_nothing()
        publish_people(house.store, 1, first=day, now=house.now)
        house.push()
    assert probes(proxy) == first
    house.later(days=9)
    publish_people(house.store, 1, first=99, now=house.now)
    house.push()
    assert probes(proxy) == 2 * first


def test_what_a_killed_proof_left_is_removed_by_a_later_one(house: House, server: StubServer) -> None:
    left, just_made = (
        {
            "resourceType": "Observation",
            "status": "entered-in-error",
            "identifier": [{"system": SYSTEM, "value": value}],
        }
        for value in ("left", "just-made")
    )
    ehr = Ehr(server.address)
    old = ehr.ask("POST", "Observation", left).json()["id"]
    kept = ehr.ask("POST", "Observation", just_made).json()["id"]
    versions = server.ehr.records.history("Observation", old)
    assert versions[0].resource is not None
    versions[0].resource["meta"]["lastUpdated"] = "2020-01-01T00:00:00.000+00:00"
    publish_people(house.store, 1)
    house.push()
    assert server.ehr.records.get("Observation", old) is None
    assert server.ehr.records.get("Observation", kept) is not None


def test_the_file_may_name_a_way_that_is_not_the_first(house: House, server: StubServer) -> None:
    house.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    house.believe_nothing()
    publish_people(house.store, 1)
    house.push()
    assert house.states() == {"sent": 9}
    assert all(p["id"].isdigit() for p in server.ehr.records.of_type("Patient"))


def test_what_went_under_our_id_is_updated_there_when_another_way_is_taken_by_now(
    house: House, server: StubServer
) -> None:
    publish_people(house.store, 1)
    house.push()
    house.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    house.believe_nothing()
    publish(house.store, [score(1, 1, "5.00", status="amended")], now=house.later(minutes=1))
    house.push()
    assert house.states() == {"sent": 10}
    amended = server.ehr.records.get("Observation", "score-1-1")
    assert amended is not None
    assert (amended["status"], amended["meta"]["versionId"]) == ("amended", "2")


def test_a_server_that_takes_no_updates_gets_what_is_new_and_a_person_gets_what_is_not(
    house: House, server: StubServer
) -> None:
    server.ehr.client_ids = server.ehr.updates = False
    publish_people(house.store, 1)
    house.push()
    assert house.states() == {"sent": 9}
    publish(house.store, [score(1, 1, "5.00", status="amended")], now=house.later(minutes=1))
    house.push()
    assert house.states() == {"sent": 9, "dead": 1}
    assert [item.kind for item in house.work_items()] == ["delivery_refused"]
    assert {o["status"] for o in server.ehr.records.of_type("Observation")} == {"final"}
