"""Builds a write from a delivery: the rendered bytes, the target and the condition."""

from collections.abc import Collection, Mapping

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.content import LARGEST_RESOURCE
from fhir_pmp.ehr.config.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.exchange.rendering import (
    LogicalReference,
    render_for_destination,
    search_query_for,
    transaction_placeholder,
)
from fhir_pmp.ehr.exchange.writes import Write
from fhir_pmp.ehr.push.planning import LaneSnapshot
from fhir_pmp.store.delivery.deliveries import Delivery


class WriteBuilder:
    """Makes writes for one destination out of what is known at this moment."""

    def __init__(
        self, base: str, destination: Destination, capability: Capability, snapshot: LaneSnapshot
    ) -> None:
        self._base = base
        self._destination = destination
        self._capability = capability
        self._snapshot = snapshot

    def write(self, delivery: Delivery, together: Collection[str] = ()) -> Write:
        """The write of a delivery; `together` are the `Type/id` that travel in the same transaction."""
        remote_reference = self.remote_reference(delivery)
        held = self._snapshot.held.get(delivery.reference)
        return Write(
            reference=delivery.reference,
            content=self._rendered_at(remote_reference, delivery, delivery.content, together),
            strategy=self._capability.strategy(self._destination, delivery.type),
            remote_reference=remote_reference,
            etag=held.etag if held is not None and remote_reference is not None else None,
            query=None if remote_reference is not None else search_query_for(delivery.content),
            full_url=f"{self._base}{remote_reference}"
            if remote_reference is not None
            else transaction_placeholder(delivery.reference),
        )

    def remote_reference(self, delivery: Delivery) -> str | None:
        """Where it stands or will stand there; None while only the server can say."""
        linked = self._snapshot.links.get(delivery.reference)
        if linked is not None:
            return linked
        if delivery.reference in self._snapshot.held:
            return delivery.reference  # it went under our id, whatever the server honours by now
        our_id = self._capability.strategy(self._destination, delivery.type) is WriteStrategy.OUR_ID
        return delivery.reference if our_id else None

    def needs_search_first_for(self, delivery: Delivery) -> bool:
        """Whether a search must come before the write: neither id nor condition prevents a duplicate."""
        strategy = self._capability.strategy(self._destination, delivery.type)
        return strategy is WriteStrategy.SEARCH_THEN_CREATE and self.remote_reference(delivery) is None

    def content(self, delivery: Delivery, published: bytes, together: Collection[str] = ()) -> bytes:
        """Published bytes of this resource, of any version, as they would travel now."""
        return self._rendered_at(self.remote_reference(delivery), delivery, published, together)

    def _rendered_at(
        self, remote_reference: str | None, delivery: Delivery, published: bytes, together: Collection[str]
    ) -> bytes:
        there = remote_reference.partition("/")[2] if remote_reference is not None else None
        rendered = render_for_destination(
            published, delivery.type, delivery.id, there, self._replaced(delivery, together)
        )
        return self._destination.content_rules.translated(delivery.type, rendered, LARGEST_RESOURCE)

    def _replaced(
        self, delivery: Delivery, together: Collection[str]
    ) -> Mapping[str, str | LogicalReference]:
        found: dict[str, str | LogicalReference] = {}
        for target in delivery.refs:
            new = self._snapshot.links.get(target) or self._snapshot.logical.get(target)
            if new is None and target in together and self._named_by_server(target):
                new = transaction_placeholder(target)
            if new is not None and new != target:
                found[target] = new
        return found

    def _named_by_server(self, target: str) -> bool:
        strategy = self._capability.strategy(self._destination, target.partition("/")[0])
        return strategy is not WriteStrategy.OUR_ID
