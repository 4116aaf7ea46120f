"""Reports the health of delivery to each destination: counts and times, without personal data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhir_pmp.identifiers import DestinationId
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.store.delivery.delivery_queries import DeliveryQueries
from fhir_pmp.store.leases import TIMERS, Leases
from fhir_pmp.store.remote_state.breakers import Breaker, Breakers
from fhir_pmp.store.tables.delivery import outbox
from fhir_pmp.store.tables.letters import IS_OPEN, work_items
from fhir_pmp.store.tables.pulling import pull_cursors, reconciliations

BREAKER_STATES = ("closed", "recovering", "open", "half_open", "paused")
_CALLING_STATES = ("closed", "recovering")


@dataclass(frozen=True, slots=True)
class DestinationHealth:
    """The health of one destination. A time is None where the event never happened."""

    destination: DestinationId
    counts: Mapping[DeliveryState, int]  # every state
    last_sent_at: datetime | None  # when a delivery was last acknowledged
    oldest_unsent_at: datetime | None  # of pending and in-flight deliveries: when the oldest was queued
    oldest_waiting_at: datetime | None  # of deliveries that wait for a person or for another resource
    pulled_at: Mapping[str, datetime | None]  # by type: when a pull last reached its last page
    reconciled_at: datetime | None  # when a reconciliation last ended
    breaker: Breaker
    work_items: Mapping[str, int]  # by kind: open work items about this destination or a delivery to it

    @property
    def last_pull_at(self) -> datetime | None:
        """When all pulled types were last complete.

        None if a type never was, or nothing is pulled.
        """
        ends = list(self.pulled_at.values())
        return None if not ends or None in ends else min(end for end in ends if end is not None)

    @property
    def attention(self) -> tuple[str, ...]:
        """The reasons why a person should look at this destination.

        Each is a short text; empty if there are none.
        """
        reasons = [] if self.breaker.state in _CALLING_STATES else [f"the breaker is {self.breaker.state}"]
        reasons += [f"{count} open: {kind}" for kind, count in sorted(self.work_items.items())]
        return tuple(reasons)


@dataclass(frozen=True, slots=True)
class Health:
    """The health of delivery, the same from whichever process it is asked."""

    at: datetime
    leader_until: datetime | None  # until when a sync process leads; None: none does
    destinations: tuple[DestinationHealth, ...]
    work_items: Mapping[tuple[str, str], int]  # all open work items, by kind and role

    @property
    def has_leader(self) -> bool:
        """Whether a sync process leads and runs the timers."""
        return self.leader_until is not None and self.leader_until > self.at

    @property
    def attention(self) -> tuple[str, ...]:
        """The reasons why a person should look; empty if there are none."""
        own = () if self.has_leader else ("no sync process is at work",)
        return own + tuple(
            f"{entry.destination}: {why}" for entry in self.destinations for why in entry.attention
        )


class DeliveryHealth:
    """Assesses health from the database alone, so that every process reports the same."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def assess(self, destinations: Collection[DestinationId], *, now: datetime) -> Health:
        """Assesses the health of these destinations."""
        lease = Leases(self._connection).find(TIMERS)
        counts = DeliveryQueries(self._connection).counts()
        return Health(
            now,
            None if lease is None else lease.until,
            tuple(self._destination(entry, counts.get(entry, {})) for entry in sorted(destinations)),
            self._open_items(),
        )

    def _destination(
        self, destination: DestinationId, counts: Mapping[DeliveryState, int]
    ) -> DestinationHealth:
        queries = DeliveryQueries(self._connection)
        return DestinationHealth(
            destination,
            {state: counts.get(state, 0) for state in DeliveryState},
            queries.last_success_at(destination),
            queries.oldest_unsent_at(destination),
            self._oldest_waiting(destination),
            self._pulled(destination),
            self._reconciled(destination),
            Breakers(self._connection).get(destination),
            self._items_about(destination),
        )

    def _oldest_waiting(self, destination: DestinationId) -> datetime | None:
        found: datetime | None = self._connection.execute(
            sa.select(sa.func.min(outbox.c.created_at)).where(
                outbox.c.destination == destination, outbox.c.state == DeliveryState.WAITING.value
            )
        ).scalar()
        return found

    def _pulled(self, destination: DestinationId) -> dict[str, datetime | None]:
        query = sa.select(pull_cursors.c.type, pull_cursors.c.completed_at)
        rows = self._connection.execute(query.where(pull_cursors.c.destination == destination))
        return {row.type: row.completed_at for row in sorted(rows, key=lambda row: str(row.type))}

    def _reconciled(self, destination: DestinationId) -> datetime | None:
        query = sa.select(sa.func.max(reconciliations.c.completed_at))
        found: datetime | None = self._connection.execute(
            query.where(reconciliations.c.destination == destination)
        ).scalar()
        return found

    def _items_about(self, destination: DestinationId) -> dict[str, int]:
        about = work_items.c.about
        about_destination = sa.or_(
            about == f"destination/{destination}",
            about.startswith(f"destination/{destination}/", autoescape=True),
            about.startswith(f"delivery/{destination}/", autoescape=True),
        )
        query = sa.select(work_items.c.kind, sa.func.count()).where(sa.text(IS_OPEN), about_destination)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(work_items.c.kind))}

    def _open_items(self) -> dict[tuple[str, str], int]:
        query = sa.select(work_items.c.kind, work_items.c.role, sa.func.count()).where(sa.text(IS_OPEN))
        rows = self._connection.execute(query.group_by(work_items.c.kind, work_items.c.role))
        return {(kind, role): count for kind, role, count in rows}


def health_values(health: Health) -> dict[str, object]:
    """Health as JSON values: ages in whole seconds, `null` where the event never happened."""
    return {
        "status": "attention" if health.attention else "ok",
        "attention": list(health.attention),
        "sync_at_work": health.has_leader,
        "work_items": _by_kind(health),
        "destinations": {
            entry.destination: _destination_values(entry, health.at) for entry in health.destinations
        },
    }


def _by_kind(health: Health) -> dict[str, int]:
    return {f"{kind} ({role})": count for (kind, role), count in sorted(health.work_items.items())}


def _destination_values(entry: DestinationHealth, now: datetime) -> dict[str, object]:
    return {
        "attention": list(entry.attention),
        "seconds_since_last_delivery": _age(entry.last_sent_at, now),
        "seconds_since_oldest_unsent": _age(entry.oldest_unsent_at, now),
        "seconds_since_oldest_waiting": _age(entry.oldest_waiting_at, now),
        "seconds_since_last_complete_pull": _age(entry.last_pull_at, now),
        "seconds_since_last_complete_reconcile": _age(entry.reconciled_at, now),
        "breaker": entry.breaker.state,
        "deliveries": {state.value: count for state, count in entry.counts.items()},
        "work_items": dict(entry.work_items),
    }


def _age(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(0, round((now - moment).total_seconds()))
