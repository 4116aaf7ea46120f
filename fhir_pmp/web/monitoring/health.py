"""Answers whether the process is alive and ready, and reports delivery health per EHR."""

import structlog
from flask import Response

from fhir_pmp.errors import FhirPmpError
from fhir_pmp.fhir.serialization.json_writer import write_canonical
from fhir_pmp.logs import error_location
from fhir_pmp.store.delivery_health import health_values
from fhir_pmp.web.access.callers import identify
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.monitoring.blueprint import monitoring


@monitoring.get("/health/live")
@allow(CallerKind.ANYONE, audited=False)
def live() -> Response:
    """Answers 204 while the process responds.

    It does not query the database: restarting this process would not repair the database.
    """
    return Response(status=204)


@monitoring.get("/health/ready")
@allow(CallerKind.ANYONE, audited=False)
def ready() -> Response:
    """Answers 200 while the database is usable and has this version's schema, else 503.

    A caller with a monitoring token also gets the delivery health. An EHR that is down does not make the process
    unready: due deliveries wait, and everything else is served.
    """
    reason = _not_ready_reason()
    if reason is not None:
        return _json({"status": "not ready", "why": reason}, 503)
    caller = identify()
    if caller is None or caller.caller_kind is not CallerKind.MONITORING:
        return _json({"status": "ready"}, 200)
    with web_context().store.read() as uow:
        health = uow.delivery_health.assess(web_context().destinations, now=web_context().clock())
    return _json({"status": "ready", "delivery": health_values(health)}, 200)


def _not_ready_reason() -> str | None:
    try:
        web_context().store.check_ready()
    except FhirPmpError as known:
        return str(known)
    except Exception as unexpected:  # noqa: BLE001 - any failure of the database means not ready
        structlog.get_logger().error("not ready", place=error_location(unexpected))
        return "the database cannot be used"
    return None


def _json(body: dict[str, object], status: int) -> Response:
    return Response(write_canonical(body), status, content_type="application/json")
