"""Generates docs/reference/metrics.md from the list of metrics."""

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.web.monitoring.metrics import METRICS

OPENING = "For operators. Kind: reference."

HOW = """`GET /metrics` answers in the text format of Prometheus to a client of kind `monitoring`
(`fhir-pmp clients add NAME --kind monitoring`). `GET /health/ready` answers 200 while the database is usable and has this version's schema,
else 503; a client of kind `monitoring` also gets the delivery health, as from `fhir-pmp health --json`. `GET /health/live` answers 204 while
the process responds. The host name in the request must be that of `FHIR_PMP_PUBLIC_URL`."""

COMPUTED_FROM = """Every metric is computed from the database at each scrape. All web processes therefore report the same values, and no value is
lost when a process ends. All metrics are gauges. Times are seconds since 1970 UTC: an age is `time() - fhir_pmp_...`. No label names a person or a
resource: a destination is a file of `mappings/destinations`, states and kinds are terms of the program, a type is a FHIR resource type."""

ALERTS = """## What to alert on

```
absent(fhir_pmp_sync_at_work) or fhir_pmp_sync_at_work == 0                      # for 5 minutes
time() - fhir_pmp_delivery_oldest_unsent_timestamp_seconds > 3600                # deliveries do not arrive
sum by (destination) (fhir_pmp_delivery_work_items_open) > 0                     # a person must decide
fhir_pmp_breaker{state=~"open|paused"} == 1                                      # for 15 minutes
time() - fhir_pmp_pull_last_complete_timestamp_seconds > 3600
time() - fhir_pmp_reconcile_last_complete_timestamp_seconds > 2 * 86400
```

What to do: [the EHR is down](../runbooks/ehr-down.md), [the outbox is stuck](../runbooks/outbox-stuck.md),
[a delivery is stuck or dead](../runbooks/delivery-stuck-or-dead.md)."""


def metrics_page() -> str:
    """Returns the whole page."""
    rows = (
        (code(f"fhir_pmp_{one.name}"), ", ".join(code(label) for label in one.labels), one.description)
        for one in METRICS
    )
    return page(
        "Metrics and health",
        OPENING,
        HOW,
        COMPUTED_FROM,
        table(("metric", "labels", "meaning"), rows),
        ALERTS,
    )
