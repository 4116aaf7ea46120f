"""Probes transactions and batches: rollback after a refused entry, and the response to each entry."""

from typing import Any

from fhir_pmp.ehr.capability.probing.probe_results import ProbeResult, no, partly, unknown, yes
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession, responses, status_of


def transaction(session: ProbeSession) -> ProbeResult:
    """Two good entries; then a good one beside one that must be refused."""
    good = session.send_bundle("transaction", [_post(session, "tx-1"), _post(session, "tx-2")])
    if not good.ok:
        return no(f"a transaction is refused with {good.status}")
    statuses = [status_of(response) for response in responses(good)]
    if statuses != [201, 201]:
        return no(f"two new resources are answered with {statuses}")
    refused = session.send_bundle("transaction", [_post(session, "tx-3"), _stale(session, "tx-4")])
    if refused.ok and all(status_of(r) < 400 for r in responses(refused)):
        return unknown("each entry is answered; nothing it could be asked to refuse was refused")
    if _is_there(session, "tx-3"):
        return no(f"one entry is refused ({refused.status}) and the other is stored all the same")
    return yes(f"each entry is answered; one refused entry undoes the others ({refused.status})")


def batch(session: ProbeSession) -> ProbeResult:
    """A good entry beside one that must be refused."""
    reply = session.send_bundle("batch", [_post(session, "batch-1"), _stale(session, "batch-2")])
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


def _post(session: ProbeSession, name: str) -> dict[str, Any]:
    return {"resource": session.resource(name), "request": {"method": "POST", "url": session.kind}}


def _stale(session: ProbeSession, name: str) -> dict[str, Any]:
    """An update under a version that never was, which refers to nobody besides. It is well-formed all the same:
    what cannot be parsed says nothing about entries, since the whole body is refused for it."""
    remote_reference = session.create(name).remote_reference or f"{session.kind}/{session.id(name)}"
    more = {} if session.kind in ("Basic", "Organization") else _UNKNOWN_SUBJECT
    resource = {**session.resource(name), **more, "language": "fr", "id": remote_reference.partition("/")[2]}
    return {"resource": resource, "request": {"method": "PUT", "url": remote_reference, "ifMatch": 'W/"999"'}}


_UNKNOWN_SUBJECT = {"subject": {"reference": "Patient/probe-nobody"}}


def _is_there(session: ProbeSession, name: str) -> bool:
    """Searches for as long as the other entries of the first transaction took to be found."""
    session.seconds_until_found("tx-1")
    return bool(session.search(session.query(name)).resources)
