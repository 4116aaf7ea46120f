"""docs/reference/metrics.md, from the metrics themselves."""

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.web.monitoring.metrics import METRICS

OPENING = "For operators. Kind: reference."

HOW = """`GET /metrics` answers in the text format of Prometheus to whoever bears the token of a client of kind `monitoring`
(`fhir-pmp clients add NAME --kind monitoring`). `GET /health/ready` tells anybody whether the database can be used and is of this version (200, else
503), and a watcher how delivery does, as `fhir-pmp health --json` does; `GET /health/live` answers 204 while the process lives. The host name asked
for must be the one of `FHIR_PMP_PUBLIC_URL`."""

COMPUTED_FROM = """Everything is computed from the database at the moment it is asked, so that every web process says the same, whichever sync
process did the work; nothing is counted in a process and nothing is lost with one. All are gauges. Moments are seconds since 1970 UTC: an age is
`time() - fhir_pmp_...`. No label names a person or a resource: a destination is a file of `mappings/destinations`, a state and a kind are words of
the program, a type is a FHIR resource type."""

ALERTS = """## What to be woken for

```
absent(fhir_pmp_sync_at_work) or fhir_pmp_sync_at_work == 0                      # for 5 minutes
time() - fhir_pmp_delivery_oldest_unsent_timestamp_seconds > 3600                # nothing gets through
sum by (destination) (fhir_pmp_delivery_work_items_open) > 0                     # a person has to decide
fhir_pmp_breaker{state=~"open|paused"} == 1                                      # for 15 minutes
time() - fhir_pmp_pull_last_complete_timestamp_seconds > 3600
time() - fhir_pmp_reconcile_last_complete_timestamp_seconds > 2 * 86400
```

What to do then: [the EHR is down](../runbooks/ehr-down.md), [the outbox is stuck](../runbooks/outbox-stuck.md),
[a delivery is stuck or dead](../runbooks/delivery-stuck-or-dead.md)."""


def metrics_page() -> str:
    """The page, whole."""
    rows = (
        (code(f"fhir_pmp_{one.name}"), ", ".join(code(label) for label in one.labels), one.description)
        for one in METRICS
    )
    return page(
        "Metrics and health",
        OPENING,
        HOW,
        COMPUTED_FROM,
        table(("metric", "labels", "what it says"), rows),
        ALERTS,
    )
