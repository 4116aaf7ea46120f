"""Reads a destination from our side of a test: the pull and the reconcile, and what an EHR's own people do there."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import requests

from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.pull import Pull, Reach
from fhir_pmp.ehr.reconcile import Reconcile, Reconciled, Tempo
from fhir_pmp.store.audit import AuditRow
from fhir_pmp.store.deliveries import DeliveryState
from fhir_pmp.store.inbox import Arrival
from fhir_pmp.store.pull_book import Cursor
from tests.ehr_check import Report, check, last_sent
from tests.integration.ehr.house import Ehr, House, Resource
from tests.integration.ehr.sample import HOSPITAL
from tests.stub_ehr.json_text import to_json

TASKS = "urn:test:their-task"
OURS = tuple(f"urn:test:{kind}" for kind in ("response", "score", "document", "organization", "practitioner"))
"""The systems of the identifiers that the sample's resources bear."""


def neighbour_of(house: House) -> Neighbour:
    """The house's destination, its CapabilityStatement read anew."""
    return Neighbour(house.destination, house.client)


def pull(house: House, *, systems: Sequence[str] = OURS, **reach: Any) -> Counter[str]:
    """Pulls once at this moment of the test's clock."""
    neighbour = neighbour_of(house)
    once = Pull(house.store, neighbour, systems, lambda: house.now, reach=Reach(**reach), chance=Random(11))
    return once.run().counts


def follow_hints(house: House) -> Counter[str]:
    """Reads what rest-hooks have named."""
    once = Pull(house.store, neighbour_of(house), OURS, lambda: house.now, chance=Random(11))
    return once.follow_hints().counts


def pull_to_the_end(house: House, most: int = 30, **more: Any) -> Counter[str]:
    """Pulls until a run ends because nothing is left, and not because its pages are used up."""
    counts: Counter[str] = Counter()
    for _ in range(most):
        once = pull(house, **more)
        counts += once
        if once["pages"] < more.get("pages", Reach().pages):
            return counts
    raise AssertionError(f"not at the end after {most} runs: {counts}")


def cursor(house: House, kind: str) -> Cursor:
    """How far a type was read."""
    with house.store.read() as books:
        return books.pulling.cursor(HOSPITAL, kind)


def arrivals(house: House, kind: str | None = None) -> list[Arrival]:
    """What was kept in the inbox of what was read, oldest first."""
    with house.store.read() as books:
        found = books.inbox.list_by("pull", sender=HOSPITAL)
    return [one for one in found if kind is None or f'"resourceType":"{kind}"'.encode() in one.body]


def taken_up(house: House, kind: str) -> int:
    """How many versions of a type were taken up."""
    with house.store.read() as books:
        return books.pulling.count(HOSPITAL, kind)


def task(n: int, **more: Any) -> Resource:
    """Task `n` of the hospital's own."""
    identifier = [{"system": TASKS, "value": str(n)}]
    return {
        "resourceType": "Task", "id": f"their-task-{n}", "identifier": identifier, "status": "requested",
        "intent": "order", **more,
    }  # fmt: skip


def put(ehr: Ehr, resource: Resource, *, updated: datetime | None = None) -> requests.Response:
    """Somebody at the EHR writes a resource; the stub dates it as it is told."""
    headers = {"Content-Type": "application/fhir+json"}
    if updated is not None:
        headers["X-Stub-Last-Updated"] = updated.astimezone(UTC).isoformat(timespec="milliseconds")
    place = f"{ehr.address}/{resource['resourceType']}/{resource['id']}"
    response = requests.put(place, data=to_json(resource), headers=headers, timeout=60)
    assert response.status_code in (200, 201), response.text
    return response


def put_many(ehr: Ehr, resources: Sequence[Resource], *, updated: datetime | None = None) -> None:
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


def edit(ehr: Ehr, place: str, **changed: Any) -> None:
    """Somebody at the EHR edits a resource."""
    assert put(ehr, ehr.get(place) | changed).status_code == 200


def ago(**by: float) -> datetime:
    """A moment of the EHR's clock, which is the real one."""
    return datetime.now(UTC) - timedelta(**by)


def reconcile(
    house: House, *, systems: Sequence[str] = OURS, dry_run: bool = False, **tempo: Any
) -> Reconciled:
    """Compares both sides once, as fast as it goes."""
    return Reconcile(
        house.store,
        neighbour_of(house),
        systems,
        lambda: house.now,
        dry_run=dry_run,
        tempo=Tempo(**{"requests_per_second": 10_000.0, **tempo}),
        chance=Random(11),
    ).run()


def checked(house: House, address: str) -> Report:
    """The EHR, walked page by page, against the bytes last sent."""
    with house.store.read() as books:
        deliveries = books.deliveries.list_all(states=[DeliveryState.SENT], limit=100_000)
        rows = [(d.type, d.id, d.version, books.deliveries.sent_bytes(d.seq) or b"") for d in deliveries]
    return check(address, last_sent(sorted(rows)))


def audited(house: House, route: str) -> list[AuditRow]:
    """The audit rows whose route begins so."""
    with house.store.read() as books:
        return [row for _, row in books.audit.list_all(limit=100_000) if row.route.startswith(route)]
