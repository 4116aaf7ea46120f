"""What an EHR does not acknowledge for days is told to a person once, also where it was never so much as tried."""

from datetime import timedelta

import pytest

from fhir_pmp.ehr.ageing import UNACKNOWLEDGED, tell_of_unacknowledged
from fhir_pmp.ehr.deliveries import Selection, replay
from fhir_pmp.store import Store
from fhir_pmp.store.deliveries import DeliveryState
from tests.faults.proxy import Fault, FaultProxy
from tests.integration.ehr.house import House
from tests.integration.ehr.sample import HOSPITAL, publish_people

THREE_DAYS = timedelta(days=3)


def look(house: House) -> list[str]:
    tell_of_unacknowledged(house.store, [HOSPITAL], older_than=THREE_DAYS, now=house.now)
    return [item.kind for item in house.work_items()]


def test_a_server_that_never_says_what_it_can_do_ages_into_a_work_item(
    house: House, proxy: FaultProxy, store: Store
) -> None:
    proxy.plan = lambda _: Fault("mute", status=503)
    publish_people(store, 2)
    for _ in range(3):
        house.push()
        house.later(hours=23)
    assert {d.tried_at for d in house.deliveries()} == {None}, "nothing of it was ever sent"
    assert look(house) == []
    house.later(hours=4)
    assert look(house) == [UNACKNOWLEDGED]
    house.later(hours=1)
    assert look(house) == [UNACKNOWLEDGED], "once"
    (item,) = house.work_items()
    assert (item.role, item.about) == ("administrator", f"destination/{HOSPITAL}")
    assert item.details["deliveries"] == 17
    with store.read() as books:
        health = books.delivery_health.look([HOSPITAL], now=house.now)
    assert health.destinations[0].work_items == {UNACKNOWLEDGED: 1}

    proxy.plan = lambda _: None
    house.later(hours=2)
    house.push_until_quiet()
    assert look(house) == [], "it closes by itself"


def test_what_waits_for_a_link_and_what_is_refused_have_items_of_their_own(
    house: House, proxy: FaultProxy, store: Store
) -> None:
    publish_people(store, 1)
    house.push()
    house.later(days=30)
    assert house.states() == {"sent": 9}
    assert look(house) == []


def test_a_replay_begins_anew(house: House, proxy: FaultProxy, store: Store) -> None:
    publish_people(store, 1, each=1)
    proxy.plan = lambda call: Fault("refused", status=422) if call.method != "GET" else None
    house.push_until_quiet()
    dead = [d for d in house.deliveries() if d.state is DeliveryState.DEAD]
    assert dead
    house.later(days=30)
    replay(store, Selection(destination=HOSPITAL), who="test", now=house.now, dry_run=False)
    assert UNACKNOWLEDGED not in look(house)


@pytest.mark.parametrize("hours", [0, 71])
def test_what_is_not_so_old_is_nobodys_business(
    house: House, proxy: FaultProxy, store: Store, hours: int
) -> None:
    publish_people(store, 1)
    house.later(hours=hours)
    assert look(house) == []
