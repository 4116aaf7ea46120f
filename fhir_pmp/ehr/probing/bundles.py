"""Probes of transactions and batches: whether one refused entry undoes the others, and what each is answered with."""

from typing import Any

from fhir_pmp.ehr.probing.findings import Found, no, partly, unknown, yes
from fhir_pmp.ehr.probing.ground import Ground, responses, status_of


def transaction(ground: Ground) -> Found:
    """Two good entries; then a good one beside one that must be refused."""
    good = ground.process("transaction", [_post(ground, "tx-1"), _post(ground, "tx-2")])
    if not good.ok:
        return no(f"a transaction is refused with {good.status}")
    statuses = [status_of(response) for response in responses(good)]
    if statuses != [201, 201]:
        return no(f"two new resources are answered with {statuses}")
    refused = ground.process("transaction", [_post(ground, "tx-3"), _stale(ground, "tx-4")])
    if refused.ok and all(status_of(r) < 400 for r in responses(refused)):
        return unknown("each entry is answered; nothing it could be asked to refuse was refused")
    if _is_there(ground, "tx-3"):
        return no(f"one entry is refused ({refused.status}) and the other is stored all the same")
    return yes(f"each entry is answered; one refused entry undoes the others ({refused.status})")


def batch(ground: Ground) -> Found:
    """A good entry beside one that must be refused."""
    reply = ground.process("batch", [_post(ground, "batch-1"), _stale(ground, "batch-2")])
    if not reply.ok:
        return no(f"a batch is refused with {reply.status}")
    statuses = [status_of(response) for response in responses(reply)]
    if len(statuses) != 2:
        return no("entries are not answered one by one")
    if statuses[0] == 201 and statuses[1] >= 400:
        return yes(f"each entry is answered for itself ({statuses[0]}, {statuses[1]})")
    if statuses[0] < 300 and statuses[1] < 300:
        return unknown("each entry is answered; nothing it could be asked to refuse was refused")
    return partly(f"the entries are answered with {statuses}")


def _post(ground: Ground, name: str) -> dict[str, Any]:
    return {"resource": ground.resource(name), "request": {"method": "POST", "url": ground.kind}}


def _stale(ground: Ground, name: str) -> dict[str, Any]:
    """An update under a version that never was, which refers to nobody besides. It is well-formed all the same:
    what cannot be parsed says nothing about entries, since the whole body is refused for it."""
    place = ground.make(name).place or f"{ground.kind}/{ground.id(name)}"
    more = {} if ground.kind in ("Basic", "Organization") else _NOBODY
    resource = {**ground.resource(name), **more, "language": "fr", "id": place.partition("/")[2]}
    return {"resource": resource, "request": {"method": "PUT", "url": place, "ifMatch": 'W/"999"'}}


_NOBODY = {"subject": {"reference": "Patient/probe-nobody"}}


def _is_there(ground: Ground, name: str) -> bool:
    """Asked as long as its neighbours of the first transaction took to be found."""
    ground.seconds_until_found("tx-1")
    return bool(ground.search(ground.query(name)).resources)
