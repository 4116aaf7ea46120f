"""Every statement that changes the state of a delivery does what the table of transitions lists, and nothing else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import StaticPool

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.delivery.deliveries import (
    ClaimedLane,
    Delivery,
    DeliveryState,
    EndedResult,
    PutBackResult,
    SentResult,
)
from fhir_pmp.store.delivery.state_writer import StateWriter
from fhir_pmp.store.delivery.transitions import (
    ENDINGS,
    TRANSITIONS,
    Cause,
    DeliveryEvent,
    TransitionNotListed,
    find_transition,
    state_after,
    states_before,
)
from fhir_pmp.store.tables.delivery import outbox
from fhir_pmp.store.tables.metadata import metadata
from fhir_pmp.store.tables.published import published

HOSPITAL = DestinationId("hospital")
LANE, VERSION, EPOCH = "patient-1", 7, 3
NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
CLAIM = ClaimedLane(HOSPITAL, LANE, EPOCH, NOW + timedelta(minutes=2), ())

Row = Mapping[str, Any]
Apply = Callable[[StateWriter, Row], object]


def _end(state: DeliveryState) -> Apply:
    return lambda writer, row: writer.end([EndedResult(row["seq"], state, 400, "why")], row["lease_epoch"])


def _claim(*, may_have_arrived: bool) -> Apply:
    def apply(writer: StateWriter, row: Row) -> None:
        delivery = _delivery(row["seq"], may_have_arrived=may_have_arrived)
        writer.claim([delivery], EPOCH, NOW + timedelta(minutes=2))

    return apply


def _sent(row: Row) -> SentResult:
    return SentResult(row["seq"], 200, 'W/"1"', "hash", None)


def _put_back(row: Row) -> PutBackResult:
    return PutBackResult(row["seq"], NOW, may_have_arrived=True, status=503, reason="busy")


_OUR_VERSION = sa.select(sa.literal(VERSION))

APPLIED: dict[tuple[DeliveryEvent, Cause], Apply] = {
    (DeliveryEvent.SUPERSEDE, Cause.PUBLISHING): lambda writer, row: writer.supersede([VERSION]),
    (DeliveryEvent.SUPERSEDE, Cause.WORKER): _end(DeliveryState.SUPERSEDED),
    (DeliveryEvent.OVERTAKE, Cause.WORKER): lambda writer, row: writer.overtake([row["seq"]]),
    (DeliveryEvent.CLAIM, Cause.WORKER): _claim(may_have_arrived=False),
    (DeliveryEvent.ACKNOWLEDGE, Cause.WORKER): lambda writer, row: writer.acknowledge(
        [_sent(row)], row["lease_epoch"], now=NOW
    ),
    (DeliveryEvent.PUT_BACK, Cause.WORKER): lambda writer, row: writer.put_back(
        [_put_back(row)], row["lease_epoch"], now=NOW
    ),
    (DeliveryEvent.RELEASE, Cause.WORKER): lambda writer, row: writer.release(CLAIM),
    (DeliveryEvent.HOLD, Cause.WORKER): lambda writer, row: writer.hold(CLAIM, "no link"),
    (DeliveryEvent.BLOCK, Cause.WORKER): _end(DeliveryState.WAITING),
    (DeliveryEvent.RESUME, Cause.WORKER): lambda writer, row: writer.resume(HOSPITAL, LANE, now=NOW),
    (DeliveryEvent.DECLINE, Cause.WORKER): _end(DeliveryState.NOT_WANTED),
    (DeliveryEvent.WITHHOLD, Cause.WORKER): _end(DeliveryState.WITHHELD),
    (DeliveryEvent.WITHHOLD, Cause.CONSENT): lambda writer, row: writer.withhold(_OUR_VERSION, reason="no"),
    (DeliveryEvent.DEAD_LETTER, Cause.WORKER): _end(DeliveryState.DEAD),
    (DeliveryEvent.REPLAY, Cause.OPERATOR): lambda writer, row: writer.replay([row["seq"]], now=NOW),
    (DeliveryEvent.RESOLVE, Cause.WORKER): lambda writer, row: writer.resolve([row["seq"]]),
    (DeliveryEvent.REQUEUE, Cause.RECONCILIATION): lambda writer, row: writer.requeue(
        row["seq"], reason="missing", now=NOW
    ),
    (DeliveryEvent.REVERIFY, Cause.WORKER): lambda writer, row: writer.reverify(row["seq"], now=NOW),
}
"""How each event is applied to the one delivery, by each cause for which it has a statement of its own."""

# One statement leases what is in doubt: pending or left in flight.
CLAIMED_IN_DOUBT = _claim(may_have_arrived=True)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Connection]:
    file: Path = tmp_path_factory.mktemp("states") / "store.db"
    engine = sa.create_engine(f"sqlite:///{file}", poolclass=StaticPool)
    metadata.create_all(engine, tables=[outbox, published])
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _put_row(connection: sa.Connection, state: DeliveryState) -> Row:
    """The only delivery, in this state and under the claim's epoch."""
    connection.execute(sa.delete(outbox))
    StateWriter(connection).queue([(LANE, VERSION)], [HOSPITAL], now=NOW)
    connection.execute(
        sa.text("UPDATE outbox SET state = :state, lease_epoch = :epoch"),
        {"state": state.value, "epoch": EPOCH},
    )
    return _row(connection)


def _row(connection: sa.Connection) -> Row:
    return MappingProxyType(dict(connection.execute(sa.select(outbox)).mappings().one()))


def _delivery(seq: int, *, may_have_arrived: bool) -> Delivery:
    values = dict.fromkeys(Delivery.__struct_fields__)
    return Delivery(**(values | {"seq": seq, "may_have_arrived": may_have_arrived, "attempts": 1}))  # type: ignore[arg-type]


def test_each_state_is_reached_and_each_event_leads_to_one_state() -> None:
    assert {t.after for t in TRANSITIONS} == set(DeliveryState)
    assert {t.event for t in TRANSITIONS} == set(DeliveryEvent)
    assert {cause for t in TRANSITIONS for cause in t.by} == set(Cause)
    lines = [(t.before, t.event, cause) for t in TRANSITIONS for cause in t.by]
    assert len(lines) == len(set(lines))
    for event in DeliveryEvent:
        assert {t.after for t in TRANSITIONS if t.event is event} == {state_after(event)}


def test_each_event_has_a_statement_that_was_applied_here() -> None:
    # Causes that share a statement share its states.
    for t in TRANSITIONS:
        for cause in t.by if t.before is not None and t.event is not DeliveryEvent.RECLAIM else ():
            statements = [by for event, by in APPLIED if event is t.event]
            same = [by for by in statements if states_before(t.event, by) == states_before(t.event, cause)]
            assert same, f"{t.event}, {cause}"


def test_a_queued_delivery_is_pending(connection: sa.Connection) -> None:
    connection.execute(sa.delete(outbox))
    StateWriter(connection).queue([(LANE, VERSION)], [HOSPITAL], now=NOW)
    assert _row(connection)["state"] == DeliveryState.PENDING.value == state_after(DeliveryEvent.QUEUE).value


@pytest.mark.parametrize("before", DeliveryState)
@pytest.mark.parametrize(("event", "by"), APPLIED, ids=lambda value: str(value))
def test_an_event_changes_a_delivery_as_listed_or_not_at_all(
    connection: sa.Connection, before: DeliveryState, event: DeliveryEvent, by: Cause
) -> None:
    row = _put_row(connection, before)
    APPLIED[event, by](StateWriter(connection), row)
    listed = find_transition(before, event, by)
    if listed is None:
        assert _row(connection) == row
    else:
        assert _row(connection)["state"] == listed.after.value


@pytest.mark.parametrize("before", DeliveryState)
def test_a_delivery_in_doubt_is_claimed_while_pending_or_left_in_flight(
    connection: sa.Connection, before: DeliveryState
) -> None:
    row = _put_row(connection, before)
    CLAIMED_IN_DOUBT(StateWriter(connection), row)
    listed = [
        find_transition(before, event, Cause.WORKER) for event in (DeliveryEvent.CLAIM, DeliveryEvent.RECLAIM)
    ]
    assert (_row(connection) != row) == any(listed)
    assert _row(connection)["state"] == (DeliveryState.IN_FLIGHT if any(listed) else before).value


@pytest.mark.parametrize(
    "event", [e for e, by in APPLIED if states_before(e, by) == (DeliveryState.IN_FLIGHT,)]
)
def test_an_answer_of_an_older_claim_changes_nothing(connection: sa.Connection, event: DeliveryEvent) -> None:
    _put_row(connection, DeliveryState.IN_FLIGHT)
    connection.execute(sa.text("UPDATE outbox SET lease_epoch = lease_epoch + 1"))
    row = _row(connection)
    APPLIED[event, Cause.WORKER](StateWriter(connection), MappingProxyType({**row, "lease_epoch": EPOCH}))
    assert _row(connection) == row


@pytest.mark.parametrize("state", [state for state in DeliveryState if state not in ENDINGS])
def test_a_claim_ends_no_delivery_in_a_state_that_is_not_listed(
    connection: sa.Connection, state: DeliveryState
) -> None:
    with pytest.raises(TransitionNotListed):
        StateWriter(connection).end([EndedResult(1, state, None, "why")], EPOCH)


@settings(max_examples=150, deadline=None)
@given(events=st.lists(st.sampled_from(sorted(APPLIED)), max_size=25))
def test_any_sequence_of_events_walks_the_table(
    connection: sa.Connection, events: list[tuple[DeliveryEvent, Cause]]
) -> None:
    expected = DeliveryState.PENDING
    _put_row(connection, expected)
    for event, by in events:
        before = _row(connection)
        APPLIED[event, by](StateWriter(connection), before)
        listed = find_transition(expected, event, by)
        if listed is None:
            assert _row(connection) == before
        else:
            expected = listed.after
        assert _row(connection)["state"] == expected.value
