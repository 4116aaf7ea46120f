"""Reads a destination from our side of a test: the pull and the reconcile, and what an EHR's own people do there."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import requests

from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.sync_back.pull import PullLimits, PullWorker
from fhir_pmp.ehr.sync_back.reconcile import ReconcilePace, ReconcileResult, ReconcileWorker
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.inbox import Arrival
from fhir_pmp.store.remote_state.pull_cursors import PullCursor
from tests.ehr_comparison import ComparisonReport, check, latest_sent_by_key
from tests.integration.ehr.sample_resources import HOSPITAL
from tests.integration.ehr.sync_harness import EhrObserver, Resource, SyncHarness
from tests.stub_ehr.json_text import to_json

TASKS = "urn:test:their-task"
OURS = tuple(f"urn:test:{kind}" for kind in ("response", "score", "document", "organization", "practitioner"))
"""The systems of the identifiers that the sample's resources bear."""


def connection_of(harness: SyncHarness) -> EhrConnection:
    """The house's destination, its CapabilityStatement read anew."""
    return EhrConnection(harness.destination, harness.client)


def pull(harness: SyncHarness, *, systems: Sequence[str] = OURS, **pull_limits: Any) -> Counter[str]:
    """Pulls once at this moment of the test's clock."""
    connection = connection_of(harness)
    once = PullWorker(
        harness.store,
        connection,
        systems,
        lambda: harness.now,
        pull_limits=PullLimits(**pull_limits),
        rng=Random(11),
    )
    return once.run().counts


def follow_notifications(harness: SyncHarness) -> Counter[str]:
    """Reads what rest-hooks have named."""
    once = PullWorker(harness.store, connection_of(harness), OURS, lambda: harness.now, rng=Random(11))
    return once.follow_notifications().counts


def pull_to_the_end(harness: SyncHarness, most: int = 30, **more: Any) -> Counter[str]:
    """Pulls until a run ends because nothing is left, and not because its pages are used up."""
    counts: Counter[str] = Counter()
    for _ in range(most):
        once = pull(harness, **more)
        counts += once
        if once["pages"] < more.get("pages", PullLimits().pages):
            return counts
    raise AssertionError(f"not at the end after {most} runs: {counts}")


def cursor(harness: SyncHarness, kind: str) -> PullCursor:
    """How far a type was read."""
    with harness.store.read() as uow:
        return uow.pull_cursors.cursor(HOSPITAL, kind)


def arrivals(harness: SyncHarness, kind: str | None = None) -> list[Arrival]:
    """What was kept in the inbox of what was read, oldest first."""
    with harness.store.read() as uow:
        found = uow.inbox.list_by_channel("pull", sender=HOSPITAL)
    return [one for one in found if kind is None or f'"resourceType":"{kind}"'.encode() in one.body]


def count_seen_versions(harness: SyncHarness, kind: str) -> int:
    """How many versions of a type were taken up."""
    with harness.store.read() as uow:
        return uow.pull_cursors.count_seen(HOSPITAL, kind)


def task(n: int, **more: Any) -> Resource:
    """Task `n` of the hospital's own."""
    identifier = [{"system": TASKS, "value": str(n)}]
    return {
        "resourceType": "Task", "id": f"their-task-{n}", "identifier": identifier, "status": "requested",
        "intent": "order", **more,
    }  # fmt: skip


def put(ehr: EhrObserver, resource: Resource, *, updated: datetime | None = None) -> requests.Response:
    """Somebody at the EHR writes a resource; the stub dates it as it is told."""
    headers = {"Content-Type": "application/fhir+json"}
    if updated is not None:
        headers["X-Stub-Last-Updated"] = updated.astimezone(UTC).isoformat(timespec="milliseconds")
    place = f"{ehr.address}/{resource['resourceType']}/{resource['id']}"
    response = requests.put(place, data=to_json(resource), headers=headers, timeout=60)
    assert response.status_code in (200, 201), response.text
    return response


def put_many(ehr: EhrObserver, resources: Sequence[Resource], *, updated: datetime | None = None) -> None:
    """The same for many, in one transaction."""
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    headers = {"Content-Type": "application/fhir+json"}
    if updated is not None:
        headers["X-Stub-Last-Updated"] = updated.astimezone(UTC).isoformat(timespec="milliseconds")
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    response = requests.post(ehr.address, data=to_json(bundle), headers=headers, timeout=120)
    assert response.status_code == 200, response.text


def edit(ehr: EhrObserver, place: str, **changed: Any) -> None:
    """Somebody at the EHR edits a resource."""
    assert put(ehr, ehr.get(place) | changed).status_code == 200


def ago(**by: float) -> datetime:
    """A moment of the EHR's clock, which is the real one."""
    return datetime.now(UTC) - timedelta(**by)


def reconcile(
    harness: SyncHarness, *, systems: Sequence[str] = OURS, dry_run: bool = False, **pace: Any
) -> ReconcileResult:
    """Compares both sides once, as fast as it goes."""
    return ReconcileWorker(
        harness.store,
        connection_of(harness),
        systems,
        lambda: harness.now,
        dry_run=dry_run,
        pace=ReconcilePace(**{"requests_per_second": 10_000.0, **pace}),
        rng=Random(11),
    ).run()


def checked(harness: SyncHarness, address: str) -> ComparisonReport:
    """The EHR, walked page by page, against the bytes last sent."""
    with harness.store.read() as uow:
        deliveries = uow.deliveries.list_all(states=[DeliveryState.SENT], limit=100_000)
        rows = [(d.type, d.id, d.version, uow.deliveries.sent_bytes(d.seq) or b"") for d in deliveries]
    return check(address, latest_sent_by_key(sorted(rows)))


def audited(harness: SyncHarness, route: str) -> list[AuditRow]:
    """The audit rows whose route begins so."""
    with harness.store.read() as uow:
        return [row for _, row in uow.audit.list_all(limit=100_000) if row.route.startswith(route)]
