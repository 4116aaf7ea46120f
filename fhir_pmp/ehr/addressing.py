"""A delivery becomes a write: the bytes as this destination gets them, where they go, and what must be true there."""

from collections.abc import Collection, Mapping

from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.content import LARGEST_RESOURCE
from fhir_pmp.ehr.destinations import Destination, WriteStrategy
from fhir_pmp.ehr.rendering import ByIdentifier, found_by, place_holder, render
from fhir_pmp.ehr.sorting import Knowledge
from fhir_pmp.ehr.writes import Write
from fhir_pmp.store.deliveries import Delivery


class Addressing:
    """Makes writes for one destination out of what is known at this moment."""

    def __init__(self, base: str, destination: Destination, capability: Capability, known: Knowledge) -> None:
        self._base = base
        self._destination = destination
        self._capability = capability
        self._known = known

    def write(self, delivery: Delivery, together: Collection[str] = ()) -> Write:
        """The write of a delivery; `together` are the `Type/id` that travel in the same transaction."""
        place = self.place(delivery)
        held = self._known.held.get(delivery.reference)
        return Write(
            reference=delivery.reference,
            content=self._at(place, delivery, delivery.content, together),
            strategy=self._capability.strategy(self._destination, delivery.type),
            place=place,
            etag=held.etag if held is not None and place is not None else None,
            query=None if place is not None else found_by(delivery.content),
            full_url=f"{self._base}{place}" if place is not None else place_holder(delivery.reference),
        )

    def place(self, delivery: Delivery) -> str | None:
        """Where it stands or will stand there; None while only the server can say."""
        linked = self._known.links.get(delivery.reference)
        if linked is not None:
            return linked
        if delivery.reference in self._known.held:
            return delivery.reference  # it went under our id, whatever the server honours by now
        our_id = self._capability.strategy(self._destination, delivery.type) is WriteStrategy.OUR_ID
        return delivery.reference if our_id else None

    def is_searched_first(self, delivery: Delivery) -> bool:
        """Whether we have to look for it before it is written: neither place nor condition keeps it from doubling."""
        strategy = self._capability.strategy(self._destination, delivery.type)
        return strategy is WriteStrategy.SEARCH_THEN_CREATE and self.place(delivery) is None

    def content(self, delivery: Delivery, published: bytes, together: Collection[str] = ()) -> bytes:
        """Published bytes of this resource, of any version, as they would travel now."""
        return self._at(self.place(delivery), delivery, published, together)

    def _at(
        self, place: str | None, delivery: Delivery, published: bytes, together: Collection[str]
    ) -> bytes:
        there = place.partition("/")[2] if place is not None else None
        rendered = render(published, delivery.type, delivery.id, there, self._replaced(delivery, together))
        return self._destination.dialect.spoken(delivery.type, rendered, LARGEST_RESOURCE)

    def _replaced(self, delivery: Delivery, together: Collection[str]) -> Mapping[str, str | ByIdentifier]:
        found: dict[str, str | ByIdentifier] = {}
        for target in delivery.refs:
            new = self._known.links.get(target) or self._known.logical.get(target)
            if new is None and target in together and self._named_by_server(target):
                new = place_holder(target)
            if new is not None and new != target:
                found[target] = new
        return found

    def _named_by_server(self, target: str) -> bool:
        strategy = self._capability.strategy(self._destination, target.partition("/")[0])
        return strategy is not WriteStrategy.OUR_ID
