"""Rest-hooks are hints: let in by proof, kept before they are answered, and only what is read again is believed."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.fault_injection.fault_proxy import FaultProxy
from tests.integration.ehr.pull_and_reconcile import arrivals, edit, follow_notifications, pull, put, task
from tests.integration.ehr.sample_resources import publish_people
from tests.integration.ehr.sync_harness import EhrObserver, SyncHarness
from tests.integration.ehr.webhook_sender import SECRET, WebhookSender, webhook_sender


@pytest.fixture
def webhook(harness: SyncHarness) -> Iterator[WebhookSender]:
    """The hooks of our web process, over the same database."""
    with webhook_sender(harness) as webhook:
        yield webhook


def statuses(harness: SyncHarness) -> list[str]:
    """What each kept version of a Task says, in the order it was kept."""
    return [json.loads(one.body)["status"] for one in arrivals(harness, "Task")]


@pytest.mark.parametrize(
    ("method", "place", "with_payload"),
    [
        ("POST", "", True),
        ("POST", "Task/their-task-1", False),
        ("PUT", "Task/their-task-1", True),
        ("PUT", "Task/their-task-1", False),
    ],
)
def test_each_form_of_a_rest_hook_is_kept_answered_202_and_followed_by_reading(
    harness: SyncHarness,
    ehr: EhrObserver,
    webhook: WebhookSender,
    method: str,
    place: str,
    with_payload: bool,
) -> None:
    put(ehr, task(1, status="accepted"))
    task_there = ehr.get("Task/their-task-1") | {
        "status": "rejected"
    }  # not what stands there: it is no truth
    answer = webhook.send_webhook(task_there if with_payload else None, method=method, place=place)
    assert answer.status_code == 202
    assert [one.state.value for one in webhook.kept()] == ["received"]
    assert follow_notifications(harness)["kept"] == 1
    assert statuses(harness) == ["accepted"]
    assert [one.state.value for one in webhook.kept()] == ["done"]
    (row,) = webhook.audit()
    assert (row.who, row.outcome, row.resources) == ("hook:hospital", "202", ("Task/their-task-1",))


def test_the_secret_that_a_subscription_carries_lets_in_too_and_a_wrong_one_does_not(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    put(ehr, task(1))
    place = "Task/their-task-1"
    assert (
        webhook.send_webhook(None, method="PUT", place=place, header=f"Bearer {SECRET.decode()}").status_code
        == 202
    )
    wrong = f"Bearer {SECRET.decode()[:-1]}"
    assert webhook.send_webhook(None, method="PUT", place=place, header=wrong).status_code == 401
    assert len(webhook.kept()) == 1


def test_a_hook_that_names_nothing_leaves_it_to_the_pull(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    put(ehr, task(1))
    assert webhook.send_webhook(None).status_code == 202
    assert pull(harness)["kept"] == 1
    assert [one.state.value for one in webhook.kept()] == ["done"]


def test_an_edit_of_ours_that_a_hook_names_becomes_a_work_item_at_once(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    edit(ehr, "Observation/score-1-1", note=[{"text": "seen on the ward"}])
    webhook.send_webhook(None, method="PUT", place="Observation/score-1-1")
    assert follow_notifications(harness)["edited"] == 1
    assert [item.kind for item in harness.work_items()] == ["edited_at_destination"]


def test_what_was_deleted_and_rung_for_becomes_a_work_item(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    assert ehr.ask("DELETE", "Observation/score-1-1").status_code == 200
    webhook.send_webhook(None, method="PUT", place="Observation/score-1-1")
    assert follow_notifications(harness)["deleted"] == 1
    assert [item.kind for item in harness.work_items()] == ["deleted_at_destination"]


def test_without_hints_nothing_is_asked(
    harness: SyncHarness, proxy: FaultProxy, webhook: WebhookSender
) -> None:
    follow_notifications(harness)
    assert proxy.seen == []


@pytest.mark.parametrize("body", [b"not json", b'{"resourceType":"Task"}', b"[]", b'{"id":"1"}'])
def test_a_body_that_is_not_one_resource_is_refused(webhook: WebhookSender, body: bytes) -> None:
    assert webhook.send_webhook(body).status_code == 400
    assert webhook.kept() == []


def test_a_body_about_another_resource_than_the_address_is_refused(webhook: WebhookSender) -> None:
    assert webhook.send_webhook(task(1), method="PUT", place="Task/their-task-2").status_code == 400
    assert webhook.kept() == []


@pytest.mark.promise("P21")
def test_f36_a_webhook_delivered_three_times_has_one_effect_and_the_same_reply(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender, proxy: FaultProxy
) -> None:
    put(ehr, task(1, status="accepted"))
    task_there = ehr.get("Task/their-task-1")
    answers = [webhook.send_webhook(task_there, key="event-7") for _ in range(2)]
    follow_notifications(harness)
    asked = len(proxy.seen)
    answers.append(webhook.send_webhook(task_there, key="event-7"))
    follow_notifications(harness)
    assert {(one.status_code, one.data) for one in answers} == {(202, answers[0].data)}
    assert statuses(harness) == ["accepted"]
    assert len(webhook.kept()) == 1
    assert len(proxy.seen) == asked


def test_f36_the_same_version_of_a_resource_is_the_same_event_without_a_key(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    put(ehr, task(1))
    task_there = ehr.get("Task/their-task-1")
    assert [
        webhook.send_webhook(task_there, method="PUT", place="Task/their-task-1").status_code
        for _ in range(3)
    ] == [202] * 3
    assert follow_notifications(harness)["kept"] == 1
    assert len(webhook.kept()) == 1


@pytest.mark.promise("P21")
@pytest.mark.parametrize("key", ["event-7", None])
def test_f37_another_body_under_a_known_key_is_422_and_keeps_nothing(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender, key: str | None
) -> None:
    put(ehr, task(1))
    task_there = ehr.get("Task/their-task-1")
    assert webhook.send_webhook(task_there, key=key).status_code == 202
    answer = webhook.send_webhook(task_there | {"status": "cancelled"}, key=key)
    assert answer.status_code == 422
    assert b"cancelled" not in answer.data
    assert len(webhook.kept()) == 1


@pytest.mark.promise("P21")
def test_f38_webhooks_out_of_order_end_at_the_newest_version(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    versions = []
    for status in ("requested", "received", "accepted"):
        put(ehr, task(1, status=status))
        versions.append(ehr.get("Task/their-task-1"))
    for version in (versions[2], versions[1]):
        assert webhook.send_webhook(version, method="PUT", place="Task/their-task-1").status_code == 202
        follow_notifications(harness)
    assert statuses(harness) == ["accepted"]


def test_f38_an_edit_of_ours_told_of_late_is_judged_by_what_stands_there(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender
) -> None:
    publish_people(harness.store, 1)
    harness.push_until_quiet()
    before = ehr.get("Observation/score-1-1")
    edit(ehr, "Observation/score-1-1", note=[{"text": "in the wrong record"}])
    edited = ehr.get("Observation/score-1-1")
    put(ehr, before)
    for version in (ehr.get("Observation/score-1-1"), edited):
        webhook.send_webhook(version)
        follow_notifications(harness)
    assert harness.work_items() == []


@pytest.mark.promise("P21")
@pytest.mark.parametrize(
    ("how", "headers"),
    [
        ("no signature", {"signature": ""}),
        ("not a signature", {"signature": "t=soon,v1=right"}),
        ("another secret", {"secret": b"somebody else's secret, just as long"}),
        ("too old", {"late": 301.0}),
        ("from the future", {"late": -301.0}),
        ("another body", {"signature": "other"}),
    ],
)
def test_f39_a_bad_missing_or_old_signature_is_401_audited_and_keeps_nothing(
    harness: SyncHarness, ehr: EhrObserver, webhook: WebhookSender, how: str, headers: dict[str, object]
) -> None:
    put(ehr, task(1))
    if headers.get("signature") == "other":
        good = webhook.send_webhook(task(2)).request.headers["X-Signature"]
        headers = {"signature": good}
        kept = 1
    else:
        kept = 0
    answer = webhook.send_webhook(task(1), **headers)  # type: ignore[arg-type]
    assert answer.status_code == 401, how
    assert len(webhook.kept()) == kept
    assert follow_notifications(harness)["kept"] == 0 or kept
    row = webhook.audit()[-1]
    assert (row.who, row.outcome, row.resources) == ("anonymous", "401", ())


def test_f39_a_signature_is_good_for_five_minutes_either_way_and_over_the_bytes_as_they_came(
    harness: SyncHarness, webhook: WebhookSender
) -> None:
    spaced = json.dumps(task(1), indent=3).encode()
    assert [webhook.send_webhook(spaced, late=late).status_code for late in (0.0, 299.0, -299.0)] == [202] * 3


def test_f39_an_unknown_destination_is_401_like_any_other(
    harness: SyncHarness, webhook: WebhookSender
) -> None:
    began = time.monotonic()
    caller = webhook.app.test_client(use_cookies=False)
    assert caller.post("/hooks/nowhere", base_url="http://localhost").status_code == 401
    assert time.monotonic() - began < 5
