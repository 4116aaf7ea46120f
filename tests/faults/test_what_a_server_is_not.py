"""F30-F32: a search that is behind, preconditions that are not looked at, content that is changed without a word."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_pmp.ehr.client import Limits
from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.drift import DRIFTS
from fhir_pmp.ehr.lane import WAITS_FOR_SEARCH
from fhir_pmp.ehr.push import Pace
from fhir_pmp.store import Store
from tests.faults.proxy import Fault, FaultProxy, Plan, first_where, write_with
from tests.integration.ehr.house import Ehr, House, destination
from tests.integration.ehr.reading import edit
from tests.integration.ehr.sample import (
    HOSPITAL,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.stubs import stub_that
from tests.stub_ehr.server import StubServer

KINDS = ("Organization", "Patient", "QuestionnaireResponse", "Observation", "Bundle")


@pytest.fixture
def server() -> Iterator[StubServer]:
    """A stub EHR that gives its own ids and whose search is a little behind."""
    with stub_that(client_ids=False, search_lag=0.1) as server:
        yield server


@pytest.fixture
def house(store: Store, server: StubServer) -> Iterator[tuple[House, FaultProxy]]:
    """Our side, which believes nothing that the EHR says of itself."""
    with (
        FaultProxy(server.address) as proxy,
        House(store, proxy.address, limits=Limits(2.0, 5.0, 10.0)) as house,
    ):
        house.destination = destination(strategy=None)
        house.believe_nothing()
        yield house, proxy


def counts(server: StubServer) -> list[int]:
    return [len(list(server.ehr.records.of_type(kind))) for kind in KINDS]


def until_found(house: House, server: StubServer) -> None:
    """Time passes until the search knows of everything."""
    server.ehr.records.search_lag = 0.0
    house.later(minutes=1)


def reset(*, after: bool) -> Plan:
    """Loses the first transaction: after the EHR stored it, or before."""
    return first_where(
        write_with(b'"type":"transaction"'), Fault("lost", reset_after=after, reset_before=not after)
    )


def test_f30_a_search_that_lags_doubles_nothing_where_the_server_gives_its_own_ids(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, proxy = house
    publish_people(ours.store, 1)
    ours.push(per_lane=0)  # proves, with nothing to send
    server.ehr.records.search_lag = 60.0
    proxy.plan = reset(after=True)
    ours.push()
    assert counts(server)[1:] == [1, 3, 3, 1]
    ours.later(minutes=1)
    ours.push()  # the search knows of nothing yet
    assert {d.reason for d in ours.deliveries() if d.state.value == "pending"} == {WAITS_FOR_SEARCH}
    until_found(ours, server)
    ours.push()
    assert ours.states() == {"sent": 9}
    assert counts(server) == [1, 1, 3, 3, 1]
    assert ours.work_items() == []


def test_f30_what_never_arrived_is_sent_once_the_search_would_have_found_it(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, proxy = house
    publish_people(ours.store, 1)
    ours.push(per_lane=0)
    proxy.plan = reset(after=False)
    ours.push()
    assert counts(server)[1:] == [0, 0, 0, 0]
    ours.later(minutes=1)
    ours.push()
    assert counts(server)[1:] == [0, 0, 0, 0], "sent before the search could know"
    until_found(ours, server)
    ours.push()
    assert ours.states() == {"sent": 9}
    assert counts(server) == [1, 1, 3, 3, 1]


def test_f30_what_a_killed_process_may_have_sent_is_looked_for_when_the_search_must_know(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, _ = house
    publish(ours.store, [organization()])
    ours.push()
    publish_people(ours.store, 1, now=ours.later(minutes=1))
    server.ehr.records.search_lag = 60.0
    for _ in range(2):  # each of them dies when it has claimed everything
        with ours.store.begin_beside() as books:
            books.outbox.claim_due(HOSPITAL, now=ours.now, lease=Pace().lease, lanes=9, per_lane=99)
        ours.later(minutes=4)
        ours.push()
        assert counts(server)[1:] == [0, 0, 0, 0], "sent without having waited since the last attempt"
        ours.later(minutes=1)
    until_found(ours, server)
    ours.push_until_quiet()
    assert counts(server) == [1, 1, 3, 3, 1]


@pytest.mark.parametrize("way", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def test_f30_what_a_server_would_match_itself_is_waited_for_as_well(store: Store, way: WriteStrategy) -> None:
    with (
        stub_that(client_ids=False, search_lag=0.1) as server,
        FaultProxy(server.address) as proxy,
        House(store, proxy.address) as ours,
    ):
        ours.destination = destination(strategy=way)
        publish_people(ours.store, 1)
        server.ehr.records.search_lag = 60.0
        proxy.plan = reset(after=True)
        ours.push()  # the organization went by itself, and what followed arrived unacknowledged
        score = next(iter(server.ehr.records.of_type("Observation")))
        edit(Ehr(server.address), f"Observation/{score['id']}", note=[{"text": "seen on the ward"}])
        ours.later(minutes=1)
        ours.push()
        assert {d.reason for d in ours.deliveries() if d.state.value == "pending"} == {WAITS_FOR_SEARCH}
        until_found(ours, server)
        ours.push_until_quiet()
        assert ours.states() == {"sent": 8, "dead": 1}
        assert [item.kind for item in ours.work_items()] == ["edited_at_destination"]
        edited = next(o for o in server.ehr.records.of_type("Observation") if o["id"] == score["id"])
        assert edited["note"] == [{"text": "seen on the ward"}]
        assert counts(server) == [1, 1, 3, 3, 1]


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "lost"])
def test_f30_our_own_ids_need_no_search(store: Store, arrived: bool) -> None:
    with (
        stub_that(search_lag=0.1) as server,
        FaultProxy(server.address) as proxy,
        House(store, proxy.address) as ours,
    ):
        ours.destination = destination(strategy=None)
        ours.believe_nothing()
        publish_people(ours.store, 1)
        ours.push(per_lane=0)
        server.ehr.records.search_lag = 60.0
        proven = len(proxy.seen)
        proxy.plan = reset(after=arrived)
        ours.push()
        assert ours.states() == {"sent": 1, "pending": 8}
        ours.later(minutes=1)
        ours.push()
        assert ours.states() == {"sent": 9}, "nothing waits for a search"
        assert [s.path for s in proxy.seen[proven:] if "_search" in s.path or "?" in s.path] == []
        assert counts(server) == [1, 1, 3, 3, 1]
        assert {o["id"] for o in server.ehr.records.of_type("Observation")} == {
            f"score-1-{k}" for k in (1, 2, 3)
        }


def test_f31_a_server_that_ignores_if_none_exist_is_refused_that_way_at_the_start(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, _ = house
    server.ehr.records.search_lag = 0.0
    server.ehr.ignores = frozenset({"if-none-exist"})
    ours.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    ours.believe_nothing()
    publish_people(ours.store, 1)
    ours.push()
    assert ours.states() == {"pending": 9}
    assert sum(counts(server)) == 0
    (item,) = ours.work_items()
    assert item.kind == "destination_paused"
    assert item.details["reason"] == (
        "conditional_create, which its file names, is refused: "
        "a repeat doubles the resource: If-None-Exist is not looked at"
    )
    server.ehr.ignores = frozenset()
    ours.later(hours=1)
    ours.push_until_quiet()
    assert counts(server) == [1, 1, 3, 3, 1]
    assert ours.work_items() == []


def test_f31_a_server_that_ignores_if_match_is_written_to_in_no_way(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, _ = house
    server.ehr.ignores = frozenset({"if-match"})
    publish_people(ours.store, 1)
    ours.push()
    assert ours.states() == {"pending": 9}
    assert sum(counts(server)) == 0
    (item,) = ours.work_items()
    assert "no way of writing is safe there" in str(item.details["reason"])
    assert "an update under an old version overwrites" in str(item.details["reason"])


def test_f31_another_way_is_taken_where_the_file_names_none(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, proxy = house
    server.ehr.records.search_lag = 0.0
    server.ehr.ignores = frozenset({"if-none-exist"})
    publish_people(ours.store, 1)
    ours.push()
    assert ours.states() == {"sent": 9}
    assert any(b'"url":"Observation?identifier=' in body.replace(b" ", b"") for body in proxy.written())


def _less(resource: dict[str, Any]) -> dict[str, Any]:
    """As a server keeps it that knows neither units nor how exactly something was measured."""
    quantity = resource.get("valueQuantity")
    if quantity is None:
        return resource
    return {**resource, "valueQuantity": {"value": Decimal(quantity["value"]).normalize()}}


def test_f32_what_a_server_keeps_otherwise_than_sent_is_told_by_element(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, _ = house
    server.ehr.records.search_lag = 0.0
    server.ehr.records.keeps = _less
    publish_people(ours.store, 1)
    ours.push()
    (item,) = ours.work_items()
    assert (item.kind, item.role) == (DRIFTS, "administrator")
    assert item.details == {
        "destination": HOSPITAL,
        "type": "Observation",
        "elements": ["valueQuantity.unit is gone", "valueQuantity.value is another"],
    }
    assert "7.1" not in str(item)
    server.ehr.records.keeps = lambda resource: resource
    ours.later(hours=1)
    publish(ours.store, [score(1, 1, "5.00"), questionnaire_response(1, 1, status="amended")], now=ours.now)
    ours.push()
    assert ours.work_items() == []


def test_f32_reading_back_is_one_of_each_type_an_hour(
    house: tuple[House, FaultProxy], server: StubServer
) -> None:
    ours, proxy = house
    server.ehr.records.search_lag = 0.0
    publish_people(ours.store, 3)
    ours.push()
    read = [s.path for s in proxy.seen if s.method == "GET" and "probe" not in s.path]
    kinds = [path.split("/")[2] for path in read if "metadata" not in path and "?" not in path]
    assert sorted(set(kinds)) == ["Bundle", "Observation", "Organization", "Patient", "QuestionnaireResponse"]
    assert [kinds.count(kind) for kind in ("Bundle", "Patient")] == [1, 1]
    # What each of the three refers to there, under an id of the server's, is looked at besides.
    assert kinds.count("Organization") == 1 + 3
    before = len(proxy.seen)
    publish_people(ours.store, 1, first=9, now=ours.later(minutes=10))
    ours.push()
    (read_again,) = [s.path for s in proxy.seen[before:] if s.method == "GET"]
    assert "/Organization/" in read_again
