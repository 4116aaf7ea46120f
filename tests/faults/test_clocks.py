"""F44: our clock is an hour behind, a day ahead, repeats an hour or a second: leases stay bounded, order and days right."""

import signal
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.ehr.pull import OVERLAP
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.store.deliveries import LeaseLost
from fhir_pmp.store.delivery_checks import LONGEST_LEASE
from tests.faults.proxy import Fault, is_write
from tests.faults.scene import Scene
from tests.integration.ehr.reading import cursor, pull
from tests.integration.ehr.sample import NOW, add_people, patient, publish, score

SYDNEY = ZoneInfo("Australia/Sydney")
STEPS = {
    "an hour back": timedelta(hours=-1),
    "a day ahead": timedelta(days=1),
    "ten years ahead": timedelta(days=3652),
}
CLOCKS_CHANGE = {
    "summer time ends": datetime(2026, 4, 4, 16, 0, tzinfo=UTC),
    "summer time begins": datetime(2026, 10, 3, 16, 0, tzinfo=UTC),
    "a leap second": datetime(2017, 1, 1, 0, 0, tzinfo=UTC),
}


@pytest.mark.parametrize("step", STEPS)
def test_f44_a_lease_that_a_wrong_clock_gave_ends_when_the_clock_is_right(scene: Scene, step: str) -> None:
    scene.publish_people(1)
    scene.house.push_until_quiet()
    right = scene.house.now
    scene.publish(*(score(1, k, "6.00") for k in (1, 2)))
    wrong = right + STEPS[step]
    # The lane is due by the wrong clock only once that has reached it.
    killed = scene.syncs.run(scene.proxy.address, crash_at="lane claimed", starts_at=max(wrong, right))
    assert killed == -signal.SIGKILL
    scene.house.now = min(wrong, right)
    scene.house.later(seconds=LONGEST_LEASE.total_seconds() + 300)
    scene.house.push()
    assert scene.value() == "6.00"
    scene.expect_all_once()


@pytest.mark.parametrize("step", ["a day ahead", "ten years ahead"])
def test_f44_what_a_wrong_clock_put_off_goes_when_the_clock_is_right(scene: Scene, step: str) -> None:
    scene.publish_people(6)
    right = scene.house.now
    scene.house.now = right + STEPS[step]
    scene.proxy.plan = lambda call: Fault("down", status=503) if is_write(call) else None
    for _ in range(6):
        scene.house.push()
        scene.house.later(minutes=1)
    scene.publish(*(score(1, k, "6.00") for k in (1, 2)))
    scene.proxy.plan = lambda _: None
    scene.house.now = right
    scene.house.push_until_quiet()
    assert scene.house.now < right + timedelta(minutes=30)
    scene.expect_all_once(versions=1)


def test_f44_a_worker_whose_lease_was_taken_for_a_wrong_clock_is_fenced(scene: Scene) -> None:
    scene.publish_people(1)
    lease = scene.house.now
    with scene.store.begin_beside() as books:
        (first,) = books.outbox.claim_due(
            scene.house.destination.id,
            now=lease + timedelta(days=1),
            lease=timedelta(minutes=3),
            lanes=1,
            per_lane=9,
        )
    scene.house.push_until_quiet()
    with scene.store.read() as books:
        now_held = books.delivery_checks.is_due(scene.house.destination.id, now=lease)
    assert not now_held
    with pytest.raises(LeaseLost), scene.store.begin_beside() as books:
        books.outbox.release(first)
    scene.expect_all_once(versions=1)


def test_f44_what_is_published_while_the_clock_goes_back_is_still_the_newest(scene: Scene) -> None:
    scene.publish_people(1)
    publish(scene.store, [score(1, 1, "6.00")], now=NOW)
    publish(scene.store, [score(1, 1, "5.00")], now=NOW - timedelta(hours=1))
    publish(scene.store, [score(1, 1, "4.00")], now=NOW - timedelta(hours=1))
    scene.house.push_until_quiet()
    assert scene.value() == "4.00"
    with scene.store.read() as books:
        rows = books.delivery_checks.renderings(scene.house.destination.id, scene.observation)
    assert [version for version, _, _ in rows] == [4, 3, 2, 1]
    scene.expect_all_once(versions=1)


@pytest.mark.parametrize("name", CLOCKS_CHANGE)
def test_f44_a_lease_lasts_as_long_over_a_change_of_clocks_as_on_any_day(scene: Scene, name: str) -> None:
    change, to = CLOCKS_CHANGE[name], scene.house.destination.id
    add_people(scene.store, [1])
    publish(
        scene.store, [patient(1, managingOrganization={"display": "us"})], now=change - timedelta(hours=1)
    )
    for seconds, claimed in ((-60, 1), (60, 0), (119, 0), (121, 1)):
        with scene.store.begin_beside() as books:
            found = books.outbox.claim_due(
                to,
                now=change + timedelta(seconds=seconds),
                lease=timedelta(minutes=3),
                lanes=1,
                per_lane=9,
            )
        assert len(found) == claimed, seconds


@pytest.mark.parametrize("step", STEPS)
def test_f44_the_pull_goes_by_the_ehrs_clock_alone(scene: Scene, step: str) -> None:
    pull(scene.house)
    before = cursor(scene.house, "Task").watermark
    assert before is not None
    scene.house.now += STEPS[step]
    task = {"resourceType": "Task", "id": "their-task", "status": "requested", "intent": "order"}
    assert scene.ehr.ask("PUT", "Task/their-task", task).status_code == 201
    assert pull(scene.house)["kept"] == 1
    assert cursor(scene.house, "Task").window_from == before - OVERLAP


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-04-04T12:59:59+00:00", date(2026, 4, 4)),
        ("2026-04-04T13:00:00+00:00", date(2026, 4, 5)),  # midnight at +11:00, the night summer time ends
        ("2026-04-05T13:59:59+00:00", date(2026, 4, 5)),  # 23:59:59 at +10:00
        ("2026-04-05T14:00:00+00:00", date(2026, 4, 6)),
        ("2026-10-03T13:59:59+00:00", date(2026, 10, 3)),  # +10:00, the night summer time begins
        ("2026-10-03T14:00:00+00:00", date(2026, 10, 4)),
        ("2026-10-04T12:59:59+00:00", date(2026, 10, 4)),  # 23:59:59 at +11:00
        ("2026-10-04T13:00:00+00:00", date(2026, 10, 5)),
    ],
)
def test_f44_a_letter_bears_the_clinics_day_whatever_its_clocks_do(moment: str, day: date) -> None:
    assert today(datetime.fromisoformat(moment), SYDNEY) == day
