"""Pull and rest-hooks against the real EHR, and the faults of its pages that a proxy before it can show."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.serving import make_server

from fhir_pmp.store import Store
from tests.fault_injection.fault_proxy import Call, FaultProxy, InjectedFault
from tests.hapi.server import HapiServer
from tests.integration.ehr.pull_and_reconcile import (
    arrivals,
    cursor,
    edit,
    follow_notifications,
    pull,
    pull_to_the_end,
    put,
    put_many,
    reconcile,
    task,
)
from tests.integration.ehr.sample_resources import publish_people
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness
from tests.integration.ehr.webhook_sender import SECRET, WebhookSender, webhook_sender

pytestmark = [
    pytest.mark.hapi,
    # What is tried here is the EHR; both databases are tried against the stub.
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def first() -> int:
    """The number of this test's first resource: others use the same HAPI."""
    return secrets.randbelow(10**9)


@pytest.fixture
def hapi_proxy(hapi: HapiServer) -> Iterator[FaultProxy]:
    """A proxy before HAPI."""
    with FaultProxy(hapi.base_url) as proxy:
        yield proxy


@pytest.fixture
def harness(store: Store, hapi_proxy: FaultProxy) -> Iterator[SyncHarness]:
    """Our side, reading HAPI through the proxy."""
    with SyncHarness(store, hapi_proxy.address, connections=4) as harness:
        pull_to_the_end(harness, pages=1000)  # what others left there is not of this test
        yield harness


@pytest.fixture
def there(hapi: HapiServer) -> EhrObserver:
    """HAPI as its own people see it."""
    return EhrObserver(hapi.base_url)


@pytest.fixture
def webhook(harness: SyncHarness) -> Iterator[WebhookSender]:
    """The hooks of our web process, over the same database."""
    with webhook_sender(harness) as webhook:
        yield webhook


def mine(harness: SyncHarness, first: int) -> list[Resource]:
    """What was kept of this test's Tasks, in the order it was kept."""
    kept = [json.loads(one.body) for one in arrivals(harness, "Task")]
    return [one for one in kept if one["id"].startswith(f"their-task-{first}")]


def number(first: int, n: int) -> int:
    """A Task of this test."""
    return int(f"{first}{n:04}")


def test_f36_f37_f38_hooks_repeated_and_out_of_order_end_at_what_stands_there(
    harness: SyncHarness, there: EhrObserver, webhook: WebhookSender, first: int
) -> None:
    versions = []
    for status in ("requested", "received", "accepted"):
        put(there, task(first, status=status))
        versions.append(there.get(f"Task/their-task-{first}"))
    place = f"Task/their-task-{first}"
    for version in (versions[2], versions[2], versions[2], versions[1]):
        assert webhook.send_webhook(version, method="PUT", place=place).status_code == 202
        follow_notifications(harness)
    assert len(webhook.kept()) == 2
    assert [one["status"] for one in mine(harness, first)] == ["accepted"]
    # The key of a version stands for what HAPI wrote under it.
    assert webhook.send_webhook(versions[2] | {"status": "cancelled"}).status_code == 422
    assert len(webhook.kept()) == 2


@pytest.mark.promise("P21")
def test_f36_f39_a_subscription_of_hapi_rings_and_one_with_another_secret_is_sent_away(
    harness: SyncHarness, there: EhrObserver, webhook: WebhookSender, first: int
) -> None:
    with served(webhook) as address:
        for name, secret in (
            ("right", SECRET.decode()),
            ("wrong", "another-secret-of-the-same-length-or-so-and-so"),
        ):
            channel = {
                "type": "rest-hook", "endpoint": f"{address}/hooks/hospital",
                "payload": "application/fhir+json", "header": [f"Authorization: Bearer {secret}"],
            }  # fmt: skip
            subscription = {
                "resourceType": "Subscription", "id": f"rings-{name}-{first}", "status": "requested",
                "reason": "a test", "criteria": f"Task?identifier=urn:test:their-task|{first}", "channel": channel,
            }  # fmt: skip
            put(there, subscription)
        try:
            wait_for(lambda: all(
                there.get(f"Subscription/rings-{name}-{first}")["status"] == "active" for name in ("right", "wrong")
            ))  # fmt: skip
            put(there, task(first, status="accepted"))
            wait_for(lambda: {row.outcome for row in webhook.audit()} >= {"202", "401"})
        finally:
            for name in ("right", "wrong"):
                there.ask("DELETE", f"Subscription/rings-{name}-{first}")
    (kept,) = webhook.kept()
    assert (kept.sender, kept.key) == ("hospital", f"Task/their-task-{first}/_history/1")
    assert {row.who for row in webhook.audit() if row.outcome == "401"} == {"anonymous"}
    assert follow_notifications(harness)["kept"] == 1
    assert [one["status"] for one in mine(harness, first)] == ["accepted"]


def test_f40_what_no_webhook_told_us_is_found_by_the_next_pull(
    harness: SyncHarness, there: EhrObserver, first: int
) -> None:
    publish_people(harness.store, 1, first=first)
    harness.push_until_quiet()
    pull(harness)
    edit(there, f"Observation/score-{first}-1", note=[{"text": "seen on the ward"}])
    put(there, task(first))
    assert pull(harness)["edited"] == 1
    assert len(mine(harness, first)) == 1
    assert [item.kind for item in harness.work_items()] == ["edited_at_destination"]
    assert reconcile(harness).counts["edited"] == 1


def test_f41_a_row_that_a_page_did_not_show_yet_is_found_in_the_overlap(
    harness: SyncHarness, there: EhrObserver, hapi_proxy: FaultProxy, first: int
) -> None:
    late = f"their-task-{number(first, 1)}"

    def without_late(body: bytes) -> bytes:
        bundle = json.loads(body)
        if bundle.get("resourceType") == "Bundle":
            bundle["entry"] = [e for e in bundle.get("entry", []) if e["resource"]["id"] != late]
        return json.dumps(bundle).encode()

    put(there, task(number(first, 1)))  # its row bears this moment and is committed after the next one's
    put(there, task(number(first, 2)))
    hapi_proxy.plan = lambda _: InjectedFault("not committed yet", override_body=without_late)
    pull_to_the_end(harness)
    assert [one["id"] for one in mine(harness, first)] == [f"their-task-{number(first, 2)}"]
    hapi_proxy.plan = lambda _: None
    pull_to_the_end(harness)
    assert sorted(one["id"] for one in mine(harness, first)) == [
        f"their-task-{number(first, n)}" for n in (1, 2)
    ]


@pytest.mark.parametrize("how", ["expired", "leads away", "goes round"])
def test_f43_pages_of_hapi_that_expire_lead_away_or_go_round(
    harness: SyncHarness, there: EhrObserver, hapi_proxy: FaultProxy, first: int, how: str
) -> None:
    put_many(there, [task(number(first, n)) for n in range(25)])
    before = cursor(harness, "Task").watermark
    faults: dict[str, Callable[[Call], InjectedFault | None]] = {
        "expired": lambda call: InjectedFault("gone", status=410) if "_getpages" in call.path else None,
        "leads away": lambda call: InjectedFault("away", override_body=next_is("http://127.0.0.1:9/fhir?_getpages=x")),
        "goes round": lambda call: InjectedFault("round", override_body=next_is(hapi_proxy.address.removesuffix("/fhir") + call.path)),
    }  # fmt: skip
    hurt = [0]

    def plan(call: Call) -> InjectedFault | None:
        if "/Task?" in call.path and how != "expired" or "_getpages" in call.path:
            hurt[0] += 1
            return faults[how](call) if how != "expired" or hurt[0] == 1 else None
        return None

    hapi_proxy.plan = plan
    counts = pull(harness, per_page=10)
    assert hurt[0]
    if how == "expired":
        assert len(mine(harness, first)) == 25
        return
    assert counts["refused"] == 1
    assert cursor(harness, "Task").watermark == before
    assert cursor(harness, "Task").page_url is None
    hapi_proxy.plan = lambda _: None
    pull_to_the_end(harness, per_page=10)
    assert len(mine(harness, first)) == 25
    assert harness.work_items() == []


def test_f42_a_thousand_rows_of_one_transaction_over_many_pages_arrive_all_and_once(
    harness: SyncHarness, there: EhrObserver, first: int
) -> None:
    put_many(there, [task(number(first, n)) for n in range(1000)])
    pull_to_the_end(harness, per_page=64, pages=9)
    kept = mine(harness, first)
    assert len(kept) == len({one["id"] for one in kept}) == 1000
    assert len({one["meta"]["lastUpdated"] for one in kept}) == 1
    pull_to_the_end(harness, per_page=64)
    assert len(mine(harness, first)) == 1000


def next_is(url: str) -> Callable[[bytes], bytes]:
    """The page with this link to the next."""

    def changed(body: bytes) -> bytes:
        bundle: dict[str, Any] = json.loads(body)
        if bundle.get("resourceType") == "Bundle":
            bundle["link"] = [{"relation": "next", "url": url}]
        return json.dumps(bundle).encode()

    return changed


@contextmanager
def served(webhook: WebhookSender) -> Iterator[str]:
    """Our web process on a port of loopback."""
    server = make_server("127.0.0.1", 0, webhook.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)


def wait_for(true: Callable[[], bool], seconds: float = 90.0) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)
