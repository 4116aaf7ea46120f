"""What an EHR does not acknowledge for days is told to a person once, also where it was never so much as tried."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.config.work_item_kinds import UNACKNOWLEDGED
from fhir_pmp.ehr.push.delivery_commands import DeliverySelection, replay
from fhir_pmp.ehr.push.stale_alerts import alert_unacknowledged
from fhir_pmp.store import Store
from fhir_pmp.store.delivery.deliveries import DeliveryState
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault
from tests.integration.ehr.sample_resources import HOSPITAL, publish_people
from tests.integration.ehr.sync_harness import SyncHarness

THREE_DAYS = timedelta(days=3)


def look(harness: SyncHarness) -> list[str]:
    alert_unacknowledged(harness.store, [HOSPITAL], older_than=THREE_DAYS, now=harness.now)
    return [item.kind for item in harness.work_items()]


@pytest.mark.promise("P18")
def test_a_server_that_never_says_what_it_can_do_ages_into_a_work_item(
    harness: SyncHarness, proxy: FaultProxy, store: Store
) -> None:
    proxy.plan = lambda _: InjectedFault("mute", status=503)
    publish_people(store, 2)
    for _ in range(3):
        harness.push()
        harness.later(hours=23)
    assert {d.first_attempt_at for d in harness.deliveries()} == {None}, "nothing of it was ever sent"
    assert look(harness) == []
    harness.later(hours=4)
    assert look(harness) == [UNACKNOWLEDGED]
    harness.later(hours=1)
    assert look(harness) == [UNACKNOWLEDGED], "once"
    (item,) = harness.work_items()
    assert (item.role, item.about) == ("administrator", f"destination/{HOSPITAL}")
    assert item.details["deliveries"] == 17
    with store.read() as uow:
        health = uow.delivery_health.assess([HOSPITAL], now=harness.now)
    assert health.destinations[0].work_items == {UNACKNOWLEDGED: 1}

    proxy.plan = lambda _: None
    harness.later(hours=2)
    harness.push_until_quiet()
    assert look(harness) == [], "it closes by itself"


def test_what_waits_for_a_link_and_what_is_refused_have_items_of_their_own(
    harness: SyncHarness, proxy: FaultProxy, store: Store
) -> None:
    publish_people(store, 1)
    harness.push()
    harness.later(days=30)
    assert harness.states() == {"sent": 9}
    assert look(harness) == []


def test_a_replay_begins_anew(harness: SyncHarness, proxy: FaultProxy, store: Store) -> None:
    publish_people(store, 1, each=1)
    proxy.plan = lambda call: InjectedFault("refused", status=422) if call.method != "GET" else None
    harness.push_until_quiet()
    dead = [d for d in harness.deliveries() if d.state is DeliveryState.DEAD]
    assert dead
    harness.later(days=30)
    replay(store, DeliverySelection(destination=HOSPITAL), who="test", now=harness.now, dry_run=False)
    assert UNACKNOWLEDGED not in look(harness)


@pytest.mark.parametrize("hours", [0, 71])
def test_what_is_not_so_old_is_nobodys_business(
    harness: SyncHarness, proxy: FaultProxy, store: Store, hours: int
) -> None:
    publish_people(store, 1)
    harness.later(hours=hours)
    assert look(harness) == []
