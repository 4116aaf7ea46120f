"""The pull: what changed at the EHR arrives once, whatever the EHR's clock, pages and links do."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fhir_pmp.ehr.ledger import EDITED
from fhir_pmp.ehr.pull import OVERLAP
from tests.faults.proxy import Fault, FaultProxy, first_where, write_with
from tests.integration.ehr.house import Ehr, House
from tests.integration.ehr.reading import (
    ago,
    arrivals,
    cursor,
    edit,
    pull,
    pull_to_the_end,
    put,
    put_many,
    reconcile,
    taken_up,
    task,
)
from tests.integration.ehr.sample import publish, publish_people, score


def test_a_task_changed_at_the_ehr_is_kept_word_for_word_and_once(house: House, ehr: Ehr) -> None:
    put(ehr, task(1))
    assert pull(house)["kept"] == 1
    put(ehr, task(1, status="accepted"))
    assert pull(house)["kept"] == 1
    assert pull(house)["kept"] == 0
    kept = [json.loads(one.body) for one in arrivals(house)]
    assert [one["status"] for one in kept] == ["requested", "accepted"]
    assert kept[1] == ehr.get("Task/their-task-1")
    assert {one.state.value for one in arrivals(house)} == {"done"}


def test_a_search_that_was_stored_a_moment_ago_is_not_believed(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    pull(house)
    asked = [seen.path for seen in proxy.seen if seen.path.startswith("/fhir/Task?")][-1]
    put(ehr, task(1))
    assert ehr.get(asked.removeprefix("/fhir/"))["total"] == 1  # asked anew; now it is stored
    put(ehr, task(2))
    assert pull(house)["kept"] == 2


def test_the_watermark_is_the_newest_row_seen_and_never_beyond_the_servers_clock(
    house: House, ehr: Ehr
) -> None:
    seen = ago(minutes=20)
    put(ehr, task(1), updated=seen)
    pull(house)
    assert cursor(house, "Task").watermark == seen.replace(microsecond=seen.microsecond // 1000 * 1000)
    put(ehr, task(2), updated=ago(days=-2))  # dated the day after tomorrow
    pull(house)
    watermark = cursor(house, "Task").watermark
    assert watermark is not None
    assert abs(watermark - datetime.now(UTC)) < timedelta(seconds=10)


def test_our_own_clock_moves_no_window(house: House, ehr: Ehr, proxy: FaultProxy) -> None:
    pull(house)
    began = cursor(house, "Task").watermark
    for days in (-400, 400):
        house.later(days=days)
        put(ehr, task(days))
        assert pull(house)["kept"] == 1
        assert cursor(house, "Task").window_from == began - OVERLAP  # type: ignore[operator]
        began = cursor(house, "Task").watermark


def test_what_we_wrote_ourselves_is_taken_up_without_a_second_copy(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push_until_quiet()
    pull(house)
    assert taken_up(house, "Observation") == 3
    assert arrivals(house) == []
    assert house.work_items() == []


def test_an_edit_of_ours_by_somebody_else_becomes_a_work_item_and_is_not_written_over(
    house: House, ehr: Ehr
) -> None:
    publish_people(house.store, 1)
    house.push_until_quiet()
    pull(house)
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen on the ward"}])
    assert pull(house)["edited"] == 1
    (item,) = house.work_items()
    assert (item.kind, item.about) == ("edited_at_destination", "delivery/hospital/Observation/score-1-1")
    (kept,) = arrivals(house)
    assert item.details["inbox"] == [kept.id]
    publish(house.store, [score(1, 1, "9.00")])
    house.push()
    assert ehr.get("Observation/score-1-1")["note"] == [{"text": "seen on the ward"}]
    assert house.state_of("Observation/score-1-1") == "dead"


def test_an_edit_that_is_taken_back_closes_its_work_item(house: House, ehr: Ehr) -> None:
    publish_people(house.store, 1)
    house.push_until_quiet()
    before = ehr.get("Observation/score-1-1")
    edit(ehr, "Observation/score-1-1", note=[{"text": "in the wrong record"}])
    pull(house)
    put(ehr, before)
    assert pull(house)["ours"] == 1
    assert house.work_items() == []
    publish(house.store, [score(1, 1, "9.00")])
    assert house.push().counts == {"sent": 1}  # its version tag there was taken over


def test_what_a_person_decided_about_an_edit_is_not_asked_again_and_another_edit_is(
    house: House, ehr: Ehr
) -> None:
    publish_people(house.store, 1)
    house.push_until_quiet()
    edit(ehr, "Observation/score-1-1", note=[{"text": "one"}])
    pull(house)
    with house.store.begin_beside() as books:
        books.work_items.close(house.work_items()[0].id, by="account:1", how="theirs stands", now=house.now)
    pull(house)
    assert house.work_items() == []
    edit(ehr, "Observation/score-1-1", note=[{"text": "two"}])
    pull(house)
    assert len(house.work_items()) == 1


def test_f40_what_no_webhook_told_us_is_found_by_the_next_pull(house: House, ehr: Ehr) -> None:
    pull(house)
    put(ehr, task(1, status="accepted"))
    assert pull(house)["kept"] == 1


@pytest.mark.parametrize("late_by", [5, 115, 290])
def test_f41_a_row_committed_late_with_an_older_moment_is_found_in_the_overlap(
    house: House, ehr: Ehr, late_by: int
) -> None:
    put(ehr, task(1))
    pull(house)
    put(ehr, task(2), updated=ago(seconds=late_by))
    assert pull(house)["kept"] == 1
    assert pull(house)["kept"] == 0


def test_f42_a_thousand_rows_of_one_moment_over_many_pages_arrive_all_and_once(
    house: House, ehr: Ehr
) -> None:
    put_many(ehr, [task(n) for n in range(1000)], updated=ago(minutes=1))
    counts = pull_to_the_end(house, per_page=64, pages=5)
    assert counts["kept"] == 1000
    assert taken_up(house, "Task") == len(arrivals(house, "Task")) == 1000
    assert pull(house)["new"] == 0


def test_what_was_pulled_before_an_edit_does_not_say_that_nobody_has_to_look(
    house: House, ehr: Ehr, proxy: FaultProxy
) -> None:
    publish_people(house.store, 1)
    house.push()
    publish(house.store, [score(1, 1, "5.00")])
    proxy.plan = first_where(write_with(b"score-1-1"), Fault("reset after commit", reset_after=True))
    house.push()
    pull_to_the_end(house)  # ours as we sent it, while we do not know yet that it arrived
    assert [one.state.value for one in arrivals(house, "Observation")] == ["received"]
    house.push_until_quiet()
    house.later(minutes=1)
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen"}])
    reconcile(house)
    house.later(minutes=1)
    pull_to_the_end(house)
    (item,) = house.work_items()
    assert (item.kind, item.about) == (EDITED, f"delivery/{house.destination.id}/Observation/score-1-1")
