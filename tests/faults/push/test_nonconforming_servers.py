"""F30-F32: a search that is behind, preconditions that are not looked at, content that is changed without a word."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_pmp.ehr.config.destinations import WriteStrategy
from fhir_pmp.ehr.config.work_item_kinds import CHANGED_BY_DESTINATION
from fhir_pmp.ehr.push.lane_sender import WAITING_FOR_SEARCH_INDEX
from fhir_pmp.ehr.push.worker import PushPace
from fhir_pmp.ehr.transport.client import Limits
from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import (
    FaultPlan,
    FaultProxy,
    InjectedFault,
    first_where,
    is_write_containing,
)
from tests.integration.ehr.pull_and_reconcile import edit
from tests.integration.ehr.sample_resources import (
    HOSPITAL,
    organization,
    publish,
    publish_people,
    questionnaire_response,
    score,
)
from tests.integration.ehr.stub_server import stub_server
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness, destination
from tests.stub_ehr.server import StubServer

KINDS = ("Organization", "Patient", "QuestionnaireResponse", "Observation", "Bundle")


@pytest.fixture
def server() -> Iterator[StubServer]:
    """A stub EHR that gives its own ids and whose search is a little behind."""
    with stub_server(client_ids=False, search_lag=0.1) as server:
        yield server


@pytest.fixture
def harness(store: Store, server: StubServer) -> Iterator[tuple[SyncHarness, FaultProxy]]:
    """Our side, which believes nothing that the EHR says of itself."""
    with (
        FaultProxy(server.address) as proxy,
        SyncHarness(store, proxy.address, limits=Limits(2.0, 5.0, 10.0)) as harness,
    ):
        harness.destination = destination(strategy=None)
        harness.verify_capability()
        yield harness, proxy


def count_by_type(server: StubServer) -> list[int]:
    return [len(list(server.ehr.records.of_type(kind))) for kind in KINDS]


def let_search_catch_up(harness: SyncHarness, server: StubServer) -> None:
    """Time passes until the search knows of everything."""
    server.ehr.records.search_lag = 0.0
    harness.later(minutes=1)


def lose_first_transaction(*, after: bool) -> FaultPlan:
    """Loses the first transaction: after the EHR stored it, or before."""
    return first_where(
        is_write_containing(b'"type":"transaction"'),
        InjectedFault("lost", reset_after=after, reset_before=not after),
    )


@pytest.mark.promise("P19")
def test_f30_a_search_that_lags_doubles_nothing_where_the_server_gives_its_own_ids(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, proxy = harness
    publish_people(our_side.store, 1)
    our_side.push(per_lane=0)  # proves, with nothing to send
    server.ehr.records.search_lag = 60.0
    proxy.plan = lose_first_transaction(after=True)
    our_side.push()
    assert count_by_type(server)[1:] == [1, 3, 3, 1]
    our_side.later(minutes=1)
    our_side.push()  # the search knows of nothing yet
    assert {d.reason for d in our_side.deliveries() if d.state.value == "pending"} == {
        WAITING_FOR_SEARCH_INDEX
    }
    let_search_catch_up(our_side, server)
    our_side.push()
    assert our_side.states() == {"sent": 9}
    assert count_by_type(server) == [1, 1, 3, 3, 1]
    assert our_side.work_items() == []


@pytest.mark.promise("P19")
def test_f30_what_never_arrived_is_sent_once_the_search_would_have_found_it(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, proxy = harness
    publish_people(our_side.store, 1)
    our_side.push(per_lane=0)
    proxy.plan = lose_first_transaction(after=False)
    our_side.push()
    assert count_by_type(server)[1:] == [0, 0, 0, 0]
    our_side.later(minutes=1)
    our_side.push()
    assert count_by_type(server)[1:] == [0, 0, 0, 0], "sent before the search could know"
    let_search_catch_up(our_side, server)
    our_side.push()
    assert our_side.states() == {"sent": 9}
    assert count_by_type(server) == [1, 1, 3, 3, 1]


@pytest.mark.promise("P19")
def test_f30_what_a_killed_process_may_have_sent_is_looked_for_when_the_search_must_know(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, _ = harness
    publish(our_side.store, [organization()])
    our_side.push()
    publish_people(our_side.store, 1, now=our_side.later(minutes=1))
    server.ehr.records.search_lag = 60.0
    for _ in range(2):  # each of them dies when it has claimed everything
        with our_side.store.begin_without_publishing() as uow:
            uow.outbox.claim_due(HOSPITAL, now=our_side.now, lease=PushPace().lease, lanes=9, per_lane=99)
        our_side.later(minutes=4)
        our_side.push()
        assert count_by_type(server)[1:] == [0, 0, 0, 0], "sent without having waited since the last attempt"
        our_side.later(minutes=1)
    let_search_catch_up(our_side, server)
    our_side.push_until_quiet()
    assert count_by_type(server) == [1, 1, 3, 3, 1]


@pytest.mark.promise("P3")
@pytest.mark.parametrize("way", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def test_f30_what_a_server_would_match_itself_is_waited_for_as_well(store: Store, way: WriteStrategy) -> None:
    with (
        stub_server(client_ids=False, search_lag=0.1) as server,
        FaultProxy(server.address) as proxy,
        SyncHarness(store, proxy.address) as our_side,
    ):
        our_side.destination = destination(strategy=way)
        publish_people(our_side.store, 1)
        server.ehr.records.search_lag = 60.0
        proxy.plan = lose_first_transaction(after=True)
        our_side.push()  # the organization went by itself, and what followed arrived unacknowledged
        score = next(iter(server.ehr.records.of_type("Observation")))
        edit(EhrObserver(server.address), f"Observation/{score['id']}", note=[{"text": "seen on the ward"}])
        our_side.later(minutes=1)
        our_side.push()
        assert {d.reason for d in our_side.deliveries() if d.state.value == "pending"} == {
            WAITING_FOR_SEARCH_INDEX
        }
        let_search_catch_up(our_side, server)
        our_side.push_until_quiet()
        assert our_side.states() == {"sent": 8, "dead": 1}
        assert [item.kind for item in our_side.work_items()] == ["edited_at_destination"]
        edited = next(o for o in server.ehr.records.of_type("Observation") if o["id"] == score["id"])
        assert edited["note"] == [{"text": "seen on the ward"}]
        assert count_by_type(server) == [1, 1, 3, 3, 1]


@pytest.mark.promise("P19")
@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "lost"])
def test_f30_our_own_ids_need_no_search(store: Store, arrived: bool) -> None:
    with (
        stub_server(search_lag=0.1) as server,
        FaultProxy(server.address) as proxy,
        SyncHarness(store, proxy.address) as our_side,
    ):
        our_side.destination = destination(strategy=None)
        our_side.verify_capability()
        publish_people(our_side.store, 1)
        our_side.push(per_lane=0)
        server.ehr.records.search_lag = 60.0
        proven = len(proxy.seen)
        proxy.plan = lose_first_transaction(after=arrived)
        our_side.push()
        assert our_side.states() == {"sent": 1, "pending": 8}
        our_side.later(minutes=1)
        our_side.push()
        assert our_side.states() == {"sent": 9}, "nothing waits for a search"
        assert [s.path for s in proxy.seen[proven:] if "_search" in s.path or "?" in s.path] == []
        assert count_by_type(server) == [1, 1, 3, 3, 1]
        assert {o["id"] for o in server.ehr.records.of_type("Observation")} == {
            f"score-1-{k}" for k in (1, 2, 3)
        }


@pytest.mark.promise("P19")
def test_f31_a_server_that_ignores_if_none_exist_is_refused_that_way_at_the_start(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, _ = harness
    server.ehr.records.search_lag = 0.0
    server.ehr.ignores = frozenset({"if-none-exist"})
    our_side.destination = destination(strategy=WriteStrategy.CONDITIONAL_CREATE)
    our_side.verify_capability()
    publish_people(our_side.store, 1)
    our_side.push()
    assert our_side.states() == {"pending": 9}
    assert sum(count_by_type(server)) == 0
    (item,) = our_side.work_items()
    assert item.kind == "destination_paused"
    assert item.details["reason"] == (
        "conditional_create, which its file names, is refused: "
        "a repeat doubles the resource: If-None-Exist is not looked at"
    )
    server.ehr.ignores = frozenset()
    our_side.later(hours=1)
    our_side.push_until_quiet()
    assert count_by_type(server) == [1, 1, 3, 3, 1]
    assert our_side.work_items() == []


@pytest.mark.promise("P19")
def test_f31_a_server_that_ignores_if_match_is_written_to_in_no_way(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, _ = harness
    server.ehr.ignores = frozenset({"if-match"})
    publish_people(our_side.store, 1)
    our_side.push()
    assert our_side.states() == {"pending": 9}
    assert sum(count_by_type(server)) == 0
    (item,) = our_side.work_items()
    assert "no way of writing is safe there" in str(item.details["reason"])
    assert "an update under an old version overwrites" in str(item.details["reason"])


def test_f31_another_way_is_taken_where_the_file_names_none(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, proxy = harness
    server.ehr.records.search_lag = 0.0
    server.ehr.ignores = frozenset({"if-none-exist"})
    publish_people(our_side.store, 1)
    our_side.push()
    assert our_side.states() == {"sent": 9}
    assert any(
        b'"url":"Observation?identifier=' in body.replace(b" ", b"") for body in proxy.written_bodies()
    )


def _without_units(resource: dict[str, Any]) -> dict[str, Any]:
    """As a server keeps it that knows neither units nor how exactly something was measured."""
    quantity = resource.get("valueQuantity")
    if quantity is None:
        return resource
    return {**resource, "valueQuantity": {"value": Decimal(quantity["value"]).normalize()}}


@pytest.mark.promise("P19")
def test_f32_what_a_server_keeps_otherwise_than_sent_is_told_by_element(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, _ = harness
    server.ehr.records.search_lag = 0.0
    server.ehr.records.keeps = _without_units
    publish_people(our_side.store, 1)
    our_side.push()
    (item,) = our_side.work_items()
    assert (item.kind, item.role) == (CHANGED_BY_DESTINATION, "administrator")
    assert item.details == {
        "destination": HOSPITAL,
        "type": "Observation",
        "elements": ["valueQuantity.unit is gone", "valueQuantity.value is another"],
    }
    assert "7.1" not in str(item)
    server.ehr.records.keeps = lambda resource: resource
    our_side.later(hours=1)
    publish(
        our_side.store,
        [score(1, 1, "5.00"), questionnaire_response(1, 1, status="amended")],
        now=our_side.now,
    )
    our_side.push()
    assert our_side.work_items() == []


def test_f32_reading_back_is_one_of_each_type_an_hour(
    harness: tuple[SyncHarness, FaultProxy], server: StubServer
) -> None:
    our_side, proxy = harness
    server.ehr.records.search_lag = 0.0
    publish_people(our_side.store, 3)
    our_side.push()
    read = [s.path for s in proxy.seen if s.method == "GET" and "probe" not in s.path]
    kinds = [path.split("/")[2] for path in read if "metadata" not in path and "?" not in path]
    assert sorted(set(kinds)) == ["Bundle", "Observation", "Organization", "Patient", "QuestionnaireResponse"]
    assert [kinds.count(kind) for kind in ("Bundle", "Patient")] == [1, 1]
    # What each of the three refers to there, under an id of the server's, is looked at besides.
    assert kinds.count("Organization") == 1 + 3
    before = len(proxy.seen)
    publish_people(our_side.store, 1, first=9, now=our_side.later(minutes=10))
    our_side.push()
    (read_again,) = [s.path for s in proxy.seen[before:] if s.method == "GET"]
    assert "/Organization/" in read_again
