"""Serves Prometheus metrics, computed from the database at each scrape.

Every process therefore reports the same values.
"""

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
    """One gauge: its name after `fhir_pmp_`, its labels, its description and its samples."""

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
        "1 while a sync process holds the leader lease, else 0",
        lambda health: iter([((), float(health.has_leader))]),
    ),
    Metric(
        "work_items_open",
        ("kind", "role"),
        "open work items by kind and by the role that decides them; a kind without any is absent",
        lambda health: ((labels, float(count)) for labels, count in health.work_items.items()),
    ),
    Metric(
        "deliveries",
        ("destination", "state"),
        "deliveries by state: " + ", ".join(state.value for state in DeliveryState),
        _for_each_destination(lambda one: [((state.value,), float(n)) for state, n in one.counts.items()]),
    ),
    Metric(
        "delivery_last_success_timestamp_seconds",
        ("destination",),
        "when a delivery last arrived at the EHR; absent before the first",
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
        "when the oldest delivery that waits for a person or another delivery was queued; absent while none waits",
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
        "1 for the current state of the circuit breaker, 0 for the others: " + ", ".join(BREAKER_STATES),
        _for_each_destination(lambda one: [((s,), float(one.breaker.state == s)) for s in BREAKER_STATES]),
    ),
    Metric(
        "breaker_failures",
        ("destination",),
        "consecutive transient failures; 0 after a success",
        _for_each_destination(lambda one: [((), float(one.breaker.failures))]),
    ),
    Metric(
        "pull_last_complete_timestamp_seconds",
        ("destination", "type"),
        "when a pull of this resource type last reached its last page; absent before the first",
        _for_each_destination(
            lambda one: [((t,), at.timestamp()) for t, at in one.pulled_at.items() if at is not None]
        ),
    ),
    Metric(
        "reconcile_last_complete_timestamp_seconds",
        ("destination",),
        "when a reconcile of both sides last completed; absent before the first",
        _for_each_destination(lambda one: _moment(one.reconciled_at)),
    ),
)


class DatabaseCollector(Collector):
    """Collects every metric of METRICS from one reading of the database."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields each metric with its samples."""
        for metric in METRICS:
            family = GaugeMetricFamily(f"fhir_pmp_{metric.name}", metric.description, labels=metric.labels)
            for labels, value in metric.samples(self._health):
                family.add_metric(labels, value)
            yield family


@monitoring.get("/metrics")
@allow(CallerKind.MONITORING, audited=False)
def metrics() -> Response:
    """Returns every metric in the Prometheus text format; 503 while the database cannot be read."""
    with web_context().store.read() as uow:
        health = uow.delivery_health.assess(web_context().destinations, now=web_context().clock())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector(health))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
