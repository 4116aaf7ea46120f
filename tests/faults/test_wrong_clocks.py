"""F44: our clock is an hour behind, a day ahead, repeats an hour or a second: leases stay bounded, order and days right."""

import signal
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.ehr.sync_back.pull import OVERLAP
from fhir_pmp.pathway.programme.timepoints import today
from fhir_pmp.store.delivery.deliveries import LeaseLost
from fhir_pmp.store.delivery.delivery_checks import MAX_LEASE
from tests.fault_injection.fault_proxy import InjectedFault, is_write
from tests.faults.fault_scenario import FaultScenario
from tests.integration.ehr.pull_and_reconcile import cursor, pull
from tests.integration.ehr.sample_resources import NOW, add_people, patient, publish, score

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


@pytest.mark.promise("P5")
@pytest.mark.parametrize("step", STEPS)
def test_f44_a_lease_that_a_wrong_clock_gave_ends_when_the_clock_is_right(
    scenario: FaultScenario, step: str
) -> None:
    scenario.publish_people(1)
    scenario.harness.push_until_quiet()
    right = scenario.harness.now
    scenario.publish(*(score(1, k, "6.00") for k in (1, 2)))
    wrong = right + STEPS[step]
    # The lane is due by the wrong clock only once that has reached it.
    killed = scenario.push_processes.run(
        scenario.proxy.address, crash_at="lane claimed", starts_at=max(wrong, right)
    )
    assert killed == -signal.SIGKILL
    scenario.harness.now = min(wrong, right)
    scenario.harness.later(seconds=MAX_LEASE.total_seconds() + 300)
    scenario.harness.push()
    assert scenario.value() == "6.00"
    scenario.assert_all_delivered_once()


@pytest.mark.parametrize("step", ["a day ahead", "ten years ahead"])
def test_f44_what_a_wrong_clock_put_off_goes_when_the_clock_is_right(
    scenario: FaultScenario, step: str
) -> None:
    scenario.publish_people(6)
    right = scenario.harness.now
    scenario.harness.now = right + STEPS[step]
    scenario.proxy.plan = lambda call: InjectedFault("down", status=503) if is_write(call) else None
    for _ in range(6):
        scenario.harness.push()
        scenario.harness.later(minutes=1)
    scenario.publish(*(score(1, k, "6.00") for k in (1, 2)))
    scenario.proxy.plan = lambda _: None
    scenario.harness.now = right
    scenario.harness.push_until_quiet()
    assert scenario.harness.now < right + timedelta(minutes=30)
    scenario.assert_all_delivered_once(versions=1)


def test_f44_a_worker_whose_lease_was_taken_for_a_wrong_clock_is_fenced(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    lease = scenario.harness.now
    with scenario.store.begin_without_publishing() as uow:
        (first,) = uow.outbox.claim_due(
            scenario.harness.destination.id,
            now=lease + timedelta(days=1),
            lease=timedelta(minutes=3),
            lanes=1,
            per_lane=9,
        )
    scenario.harness.push_until_quiet()
    with scenario.store.read() as uow:
        now_held = uow.delivery_checks.has_due_lane(scenario.harness.destination.id, now=lease)
    assert not now_held
    with pytest.raises(LeaseLost), scenario.store.begin_without_publishing() as uow:
        uow.outbox.release(first)
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.promise("P3")
def test_f44_what_is_published_while_the_clock_goes_back_is_still_the_newest(scenario: FaultScenario) -> None:
    scenario.publish_people(1)
    publish(scenario.store, [score(1, 1, "6.00")], now=NOW)
    publish(scenario.store, [score(1, 1, "5.00")], now=NOW - timedelta(hours=1))
    publish(scenario.store, [score(1, 1, "4.00")], now=NOW - timedelta(hours=1))
    scenario.harness.push_until_quiet()
    assert scenario.value() == "4.00"
    with scenario.store.read() as uow:
        rows = uow.delivery_checks.list_renderings(scenario.harness.destination.id, scenario.score_reference)
    assert [version for version, _, _ in rows] == [4, 3, 2, 1]
    scenario.assert_all_delivered_once(versions=1)


@pytest.mark.parametrize("name", CLOCKS_CHANGE)
def test_f44_a_lease_lasts_as_long_over_a_change_of_clocks_as_on_any_day(
    scenario: FaultScenario, name: str
) -> None:
    change, to = CLOCKS_CHANGE[name], scenario.harness.destination.id
    add_people(scenario.store, [1])
    publish(
        scenario.store, [patient(1, managingOrganization={"display": "us"})], now=change - timedelta(hours=1)
    )
    for seconds, claimed in ((-60, 1), (60, 0), (119, 0), (121, 1)):
        with scenario.store.begin_without_publishing() as uow:
            found = uow.outbox.claim_due(
                to,
                now=change + timedelta(seconds=seconds),
                lease=timedelta(minutes=3),
                lanes=1,
                per_lane=9,
            )
        assert len(found) == claimed, seconds


@pytest.mark.parametrize("step", STEPS)
def test_f44_the_pull_goes_by_the_ehrs_clock_alone(scenario: FaultScenario, step: str) -> None:
    pull(scenario.harness)
    before = cursor(scenario.harness, "Task").watermark
    assert before is not None
    scenario.harness.now += STEPS[step]
    task = {"resourceType": "Task", "id": "their-task", "status": "requested", "intent": "order"}
    assert scenario.ehr.ask("PUT", "Task/their-task", task).status_code == 201
    assert pull(scenario.harness)["kept"] == 1
    assert cursor(scenario.harness, "Task").window_from == before - OVERLAP


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
