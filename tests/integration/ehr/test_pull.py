"""The pull: what changed at the EHR arrives once, whatever the EHR's clock, pages and links do."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fhir_pmp.ehr.config.work_item_kinds import EDITED
from fhir_pmp.ehr.sync_back.pull import OVERLAP
from tests.fault_injection.fault_proxy import FaultProxy, InjectedFault, first_where, is_write_containing
from tests.integration.ehr.pull_and_reconcile import (
    ago,
    arrivals,
    count_seen_versions,
    cursor,
    edit,
    pull,
    pull_to_the_end,
    put,
    put_many,
    reconcile,
    task,
)
from tests.integration.ehr.sample_resources import publish, publish_people, score
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness


def test_a_task_changed_at_the_ehr_is_kept_word_for_word_and_once(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    put(ehr, task(1))
    assert pull(harness)["kept"] == 1
    put(ehr, task(1, status="accepted"))
    assert pull(harness)["kept"] == 1
    assert pull(harness)["kept"] == 0
    kept = [json.loads(one.body) for one in arrivals(harness)]
    assert [one["status"] for one in kept] == ["requested", "accepted"]
    assert kept[1] == ehr.get("Task/their-task-1")
    assert {one.state.value for one in arrivals(harness)} == {"done"}


def test_a_search_that_was_stored_a_moment_ago_is_not_believed(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    pull(harness)
    asked = [seen.path for seen in proxy.seen if seen.path.startswith("/fhir/Task?")][-1]
    put(ehr, task(1))
    assert ehr.get(asked.removeprefix("/fhir/"))["total"] == 1  # asked anew; now it is stored
    put(ehr, task(2))
    assert pull(harness)["kept"] == 2


def test_the_watermark_is_the_newest_row_seen_and_never_beyond_the_servers_clock(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    seen = ago(minutes=20)
    put(ehr, task(1), updated=seen)
    pull(harness)
    assert cursor(harness, "Task").watermark == seen.replace(microsecond=seen.microsecond // 1000 * 1000)
    put(ehr, task(2), updated=ago(days=-2))  # dated the day after tomorrow
    pull(harness)
    watermark = cursor(harness, "Task").watermark
    assert watermark is not None
    assert abs(watermark - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.promise("P21")
def test_our_own_clock_moves_no_window(harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy) -> None:
    pull(harness)
    began = cursor(harness, "Task").watermark
    for days in (-400, 400):
        harness.later(days=days)
        put(ehr, task(days))
        assert pull(harness)["kept"] == 1
        assert cursor(harness, "Task").window_from == began - OVERLAP  # type: ignore[operator]
        began = cursor(harness, "Task").watermark


def test_what_we_wrote_ourselves_is_taken_up_without_a_second_copy(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    pull(harness)
    assert count_seen_versions(harness, "Observation") == 3
    assert arrivals(harness) == []
    assert harness.work_items() == []


@pytest.mark.promise("P21")
def test_an_edit_of_ours_by_somebody_else_becomes_a_work_item_and_is_not_written_over(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    pull(harness)
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen on the ward"}])
    assert pull(harness)["edited"] == 1
    (item,) = harness.work_items()
    assert (item.kind, item.about) == ("edited_at_destination", "delivery/hospital/Observation/score-1-1")
    (kept,) = arrivals(harness)
    assert item.details["inbox"] == [kept.id]
    publish(harness.store, [score(1, 1, "9.00")])
    harness.push()
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen on the ward"}]
    assert harness.state_of("Observation/score-1-1") == "dead"


def test_an_edit_that_is_taken_back_closes_its_work_item(harness: SyncHarness, ehr: EhrObserver) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    before = ehr.get("Observation/score-1-1")
    edit(ehr, "Observation/score-1-1", note=[{"text": "in the wrong record"}])
    pull(harness)
    put(ehr, before)
    assert pull(harness)["ours"] == 1
    assert harness.work_items() == []
    publish(harness.store, [score(1, 1, "9.00")])
    assert harness.push().counts == {"sent": 1}  # its version tag there was taken over


def test_what_a_person_decided_about_an_edit_is_not_asked_again_and_another_edit_is(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    edit(ehr, "Observation/score-1-1", note=[{"text": "one"}])
    pull(harness)
    with harness.store.begin_without_publishing() as uow:
        uow.work_items.close(harness.work_items()[0].id, by="account:1", how="theirs stands", now=harness.now)
    pull(harness)
    assert harness.work_items() == []
    edit(ehr, "Observation/score-1-1", note=[{"text": "two"}])
    pull(harness)
    assert len(harness.work_items()) == 1


@pytest.mark.promise("P21")
def test_f40_what_no_webhook_told_us_is_found_by_the_next_pull(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    pull(harness)
    put(ehr, task(1, status="accepted"))
    assert pull(harness)["kept"] == 1


@pytest.mark.promise("P21")
@pytest.mark.parametrize("late_by", [5, 115, 290])
def test_f41_a_row_committed_late_with_an_older_moment_is_found_in_the_overlap(
    harness: SyncHarness, ehr: EhrObserver, late_by: int
) -> None:
    put(ehr, task(1))
    pull(harness)
    put(ehr, task(2), updated=ago(seconds=late_by))
    assert pull(harness)["kept"] == 1
    assert pull(harness)["kept"] == 0


@pytest.mark.promise("P21")
def test_f42_a_thousand_rows_of_one_moment_over_many_pages_arrive_all_and_once(
    harness: SyncHarness, ehr: EhrObserver
) -> None:
    put_many(ehr, [task(n) for n in range(1000)], updated=ago(minutes=1))
    counts = pull_to_the_end(harness, per_page=64, pages=5)
    assert counts["kept"] == 1000
    assert count_seen_versions(harness, "Task") == len(arrivals(harness, "Task")) == 1000
    assert pull(harness)["new"] == 0


@pytest.mark.promise("P21")
def test_what_was_pulled_before_an_edit_does_not_say_that_nobody_has_to_look(
    harness: SyncHarness, ehr: EhrObserver, proxy: FaultProxy
) -> None:
    publish_people(harness.store, 1)
    harness.push()
    publish(harness.store, [score(1, 1, "5.00")])
    proxy.plan = first_where(
        is_write_containing(b"score-1-1"), InjectedFault("reset after commit", reset_after=True)
    )
    harness.push()
    pull_to_the_end(harness)  # ours as we sent it, while we do not know yet that it arrived
    assert [one.state.value for one in arrivals(harness, "Observation")] == ["received"]
    harness.push_until_quiet()
    harness.later(minutes=1)
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    reconcile(harness)
    harness.later(minutes=1)
    pull_to_the_end(harness)
    (item,) = harness.work_items()
    assert (item.kind, item.about) == (EDITED, f"delivery/{harness.destination.id}/Observation/score-1-1")
