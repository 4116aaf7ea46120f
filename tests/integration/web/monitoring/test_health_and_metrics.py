"""What a watching program is told: by what truly got through, from the database alone, and nothing about anybody."""

import re
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store import Store
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.store.delivery.deliveries import DeliveryState, EndedResult, SentResult
from fhir_pmp.store.engine.connecting import open_engines
from fhir_pmp.store.leases import TIMERS
from fhir_pmp.store.remote_state.breakers import Breaker
from fhir_pmp.web.monitoring.metrics import METRICS
from tests.integration.ehr.sample_resources import publish_people
from tests.integration.web.web_harness import START, WebHarness

HOSPITAL = DestinationId("hospital")


def deliver(store: Store, harness: WebHarness) -> None:
    """Two people are queued; a minute later one is sent but for what was refused, and sync is at work."""
    publish_people(store, 2, each=1, now=START)
    now = harness.clock.now + timedelta(minutes=1)
    with store.begin_without_publishing() as uow:
        for lane in ("definitions", "patient-1"):
            claims = uow.outbox.claim_due(
                HOSPITAL, now=now, lease=timedelta(minutes=3), lanes=1, per_lane=50, only_lane=lane
            )
            (claim,) = claims
            gone, refused = claim.deliveries[:-1], claim.deliveries[-1:]
            if lane == "definitions":
                gone, refused = claim.deliveries, ()
            uow.outbox.acknowledge(
                claim, [SentResult(d.seq, 201, "1", "0" * 64, b"{}") for d in gone], now=now
            )
            uow.outbox.end(claim, [EndedResult(d.seq, DeliveryState.DEAD, 422, "required") for d in refused])
            for d in refused:
                refusal(uow.work_items, d.reference, now)
            uow.outbox.release(claim)
        uow.leases.acquire(TIMERS, "somebody", now=now, duration=timedelta(minutes=10))


def refusal(items, reference, now) -> WorkItem:  # type: ignore[no-untyped-def]
    about = f"delivery/{HOSPITAL}/{reference}"
    found: WorkItem = items.open("delivery_refused", about=about, role="administrator", what="x", now=now)
    return found


def values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and its labels' values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_process_that_lives_says_so_to_anybody_also_without_its_database(
    harness: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError("nothing may be asked of it")

    for asked in ("read", "begin", "begin_without_publishing", "check", "check_ready"):
        monkeypatch.setattr(Store, asked, gone)
    assert harness.get(None, "/health/live").status_code == 204


def test_whoever_is_not_known_learns_only_whether_we_are_ready(harness: WebHarness) -> None:
    for who in (None, "ehr", "practice", "platform"):
        answer = harness.get(who, "/health/ready")
        assert (answer.status_code, answer.json) == (200, {"status": "ready"})
        assert harness.get(who, "/metrics").status_code in (401, 403)


@pytest.mark.promise("P18")
def test_a_database_of_another_version_is_not_ready(harness: WebHarness, migrated_url: str) -> None:
    engine, _ = open_engines(migrated_url)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    engine.dispose()
    answer = harness.get("monitoring", "/health/ready")
    assert answer.status_code == 503
    assert "this version needs" in answer.text


def test_a_database_that_does_not_answer_is_not_ready(
    harness: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise OSError("the words of it stay here")

    monkeypatch.setattr(Store, "check_ready", gone)
    answer = harness.get(None, "/health/ready")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "not ready", "why": "the database cannot be used"},
    )


@pytest.mark.promise("P18")
def test_health_is_the_age_of_what_truly_got_through(harness: WebHarness, store: Store) -> None:
    deliver(store, harness)
    harness.clock.advance(minutes=5)
    answer = harness.get("monitoring", "/health/ready")
    assert answer.status_code == 200, "an EHR that takes nothing makes us no less ready"
    delivery = answer.json["delivery"]  # type: ignore[index]
    assert delivery["sync_at_work"] is True
    hospital = delivery["destinations"]["hospital"]
    assert hospital["seconds_since_last_delivery"] == 4 * 60
    assert hospital["seconds_since_oldest_unsent"] == 5 * 60
    assert hospital["seconds_since_last_complete_pull"] is None
    assert hospital["deliveries"]["dead"] == 1
    assert hospital["work_items"] == {"delivery_refused": 1}
    assert delivery["attention"] == ["hospital: 1 open: delivery_refused"]


@pytest.mark.promise("P18")
def test_that_no_sync_is_at_work_needs_attention(harness: WebHarness, store: Store) -> None:
    with store.begin_without_publishing() as uow:
        uow.leases.acquire(TIMERS, "somebody", now=START, duration=timedelta(minutes=10))
    for minutes, status, why in ((0, "ok", []), (20, "attention", ["no sync process is at work"])):
        harness.clock.advance(minutes=minutes)
        delivery = harness.get("monitoring", "/health/ready").json["delivery"]  # type: ignore[index]
        assert (delivery["status"], delivery["attention"]) == (status, why)


@pytest.mark.promise("P18")
def test_metrics_say_what_the_database_says(harness: WebHarness, store: Store) -> None:
    deliver(store, harness)
    with store.begin_without_publishing() as uow:
        uow.breakers.put(HOSPITAL, Breaker("open", 5, START, START, "busy"))
    found = values(harness.get("monitoring", "/metrics").text)
    sent_at = (START + timedelta(minutes=1)).timestamp()
    assert found["fhir_pmp_sync_at_work", ()] == 1
    assert found["fhir_pmp_delivery_last_success_timestamp_seconds", ("hospital",)] == sent_at
    assert found["fhir_pmp_delivery_oldest_unsent_timestamp_seconds", ("hospital",)] == START.timestamp()
    assert found["fhir_pmp_deliveries", ("hospital", "sent")] == 4
    assert found["fhir_pmp_deliveries", ("hospital", "dead")] == 1
    assert found["fhir_pmp_deliveries", ("hospital", "withheld")] == 0
    assert found["fhir_pmp_breaker", ("hospital", "open")] == 1
    assert found["fhir_pmp_breaker", ("hospital", "closed")] == 0
    assert found["fhir_pmp_breaker_failures", ("hospital",)] == 5
    assert found["fhir_pmp_work_items_open", ("delivery_refused", "administrator")] == 1
    assert found["fhir_pmp_delivery_work_items_open", ("hospital", "delivery_refused")] == 1


@pytest.mark.promise("P18")
def test_every_metric_is_a_listed_one_and_no_label_names_anybody(harness: WebHarness, store: Store) -> None:
    deliver(store, harness)
    listed = {f"fhir_pmp_{metric.name}": set(metric.labels) for metric in METRICS}
    text = harness.get("monitoring", "/metrics").text
    for family in text_string_to_metric_families(text):
        assert family.name in listed
        for sample in family.samples:
            assert set(sample.labels) == listed[family.name]
            assert all(re.fullmatch(r"[A-Za-z_-]+", value) for value in sample.labels.values()), sample
    assert "patient-" not in text
    assert "Example" not in text
