"""What Prometheus reads: computed from the database as it is asked, so that all processes say the same."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.delivery_health import BREAKER_STATES, DestinationHealth, Health
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.monitoring.blueprint import monitoring

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name behind `fhir_pmp_`, its labels, what it says, and its values. All are gauges."""

    name: str
    labels: tuple[str, ...]
    description: str
    samples: Callable[[Health], Iterator[Sample]]


def _for_each_destination(
    samples: Callable[[DestinationHealth], Iterable[Sample]],
) -> Callable[[Health], Iterator[Sample]]:
    def of_all(health: Health) -> Iterator[Sample]:
        for one in health.destinations:
            for labels, value in samples(one):
                yield (one.destination, *labels), value

    return of_all


def _moment(moment: datetime | None) -> list[Sample]:
    return [] if moment is None else [((), moment.timestamp())]


METRICS: tuple[Metric, ...] = (
    Metric(
        "sync_at_work",
        (),
        "1 while some sync process holds the lead, else 0",
        lambda health: iter([((), float(health.has_leader))]),
    ),
    Metric(
        "work_items_open",
        ("kind", "role"),
        "what people must decide, by kind and by the role it is for; a kind without any is absent",
        lambda health: ((labels, float(count)) for labels, count in health.work_items.items()),
    ),
    Metric(
        "deliveries",
        ("destination", "state"),
        "deliveries by where they stand: " + ", ".join(state.value for state in DeliveryState),
        _for_each_destination(lambda one: [((state.value,), float(n)) for state, n in one.counts.items()]),
    ),
    Metric(
        "delivery_last_success_timestamp_seconds",
        ("destination",),
        "when a delivery last truly got through; absent before the first",
        _for_each_destination(lambda one: _moment(one.last_sent_at)),
    ),
    Metric(
        "delivery_oldest_unsent_timestamp_seconds",
        ("destination",),
        "when the oldest delivery that is pending or in flight was queued; absent while nothing is",
        _for_each_destination(lambda one: _moment(one.oldest_unsent_at)),
    ),
    Metric(
        "delivery_oldest_waiting_timestamp_seconds",
        ("destination",),
        "when the oldest delivery that waits for a person or for another was queued; absent while none does",
        _for_each_destination(lambda one: _moment(one.oldest_waiting_at)),
    ),
    Metric(
        "delivery_work_items_open",
        ("destination", "kind"),
        "open work items about this destination or a delivery to it; a kind without any is absent",
        _for_each_destination(lambda one: [((kind,), float(n)) for kind, n in one.work_items.items()]),
    ),
    Metric(
        "breaker",
        ("destination", "state"),
        "1 for the state the breaker is in, 0 for the others: " + ", ".join(BREAKER_STATES),
        _for_each_destination(lambda one: [((s,), float(one.breaker.state == s)) for s in BREAKER_STATES]),
    ),
    Metric(
        "breaker_failures",
        ("destination",),
        "transient failures in a row; 0 once something got through",
        _for_each_destination(lambda one: [((), float(one.breaker.failures))]),
    ),
    Metric(
        "pull_last_complete_timestamp_seconds",
        ("destination", "type"),
        "when a pull of this resource type last came to its last page; absent before the first",
        _for_each_destination(
            lambda one: [((t,), at.timestamp()) for t, at in one.pulled_at.items() if at is not None]
        ),
    ),
    Metric(
        "reconcile_last_complete_timestamp_seconds",
        ("destination",),
        "when both sides were last compared to the end; absent before the first",
        _for_each_destination(lambda one: _moment(one.reconciled_at)),
    ),
)


class DatabaseCollector(Collector):
    """One scrape: every metric of METRICS, from one look at the database."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each metric with its samples."""
        for metric in METRICS:
            family = GaugeMetricFamily(f"fhir_pmp_{metric.name}", metric.description, labels=metric.labels)
            for labels, value in metric.samples(self._health):
                family.add_metric(labels, value)
            yield family


@monitoring.get("/metrics")
@allow(CallerKind.MONITORING, audited=False)
def metrics() -> Response:
    """Every metric as Prometheus reads it. 503 while the database cannot be read."""
    with web_context().store.read() as uow:
        health = uow.delivery_health.assess(web_context().destinations, now=web_context().clock())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector(health))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
