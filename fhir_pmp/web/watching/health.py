"""Whether the process lives, whether it may be given work, and how delivery to each EHR is doing."""

import structlog
from flask import Response

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.fhir.json_writer import write_canonical
from fhir_pmp.logs import place_of
from fhir_pmp.store.delivery_health import health_values
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.desk import desk
from fhir_pmp.web.watching.blueprint import watching


@watching.get("/health/live")
@may(Visitor.ANYONE, audited=False)
def live() -> Response:
    """204: the process answers. It asks nothing of the database: restarting us would not mend that."""
    return Response(status=204)


@watching.get("/health/ready")
@may(Visitor.ANYONE, audited=False)
def ready() -> Response:
    """200 while the database can be used and is of this version, else 503; how deliveries do, for a watcher's token.

    An EHR that is down makes us no less ready: what is due waits, and everything else is served.
    """
    why = _why_not()
    if why is not None:
        return _json({"status": "not ready", "why": why}, 503)
    caller = identify()
    if caller is None or caller.visitor is not Visitor.WATCHER:
        return _json({"status": "ready"}, 200)
    with desk().store.read() as books:
        health = books.delivery_health.look(desk().destinations, now=desk().clock())
    return _json({"status": "ready", "delivery": health_values(health)}, 200)


def _why_not() -> str | None:
    try:
        desk().store.check_ready()
    except FhirPmpError as known:
        return str(known)
    except Exception as unexpected:  # noqa: BLE001 - whatever is wrong with the database, we are not ready
        structlog.get_logger().error("not ready", place=place_of(unexpected))
        return "the database cannot be used"
    return None


def _json(body: dict[str, object], status: int) -> Response:
    return Response(write_canonical(body), status, content_type="application/json")
