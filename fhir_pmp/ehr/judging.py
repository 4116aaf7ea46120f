"""Which version of ours stands at a destination, if any: its content held against everything we published."""

from collections.abc import Mapping
from typing import Any

from fhir_pmp.ehr.addressing import Addressing
from fhir_pmp.ehr.capability import Capability
from fhir_pmp.ehr.content import read_content, same_content
from fhir_pmp.ehr.neighbour import Neighbour
from fhir_pmp.ehr.sorting import gather
from fhir_pmp.store import Books
from fhir_pmp.store.as_sent import without_stamp
from fhir_pmp.store.deliveries import ClaimedLane, Delivery
from fhir_pmp.store.standing_book import Expected


class Judge:
    """Knows one destination, and what of ours would look like there."""

    def __init__(self, neighbour: Neighbour, capability: Capability) -> None:
        self._neighbour = neighbour
        self._capability = capability

    def is_as_sent(self, expected: Expected, standing: Mapping[str, Any]) -> bool:
        """Whether what stands there is what was last sent."""
        return same_content(read_content(expected.sent_bytes), standing)

    def version(
        self, books: Books, reference: str, expected: Expected | None, standing: Mapping[str, Any]
    ) -> int | None:
        """The number of our version that stands there, the one last sent before all others; None: none of ours."""
        if expected is not None and self.is_as_sent(expected, standing):
            return expected.version
        to = self._neighbour.id
        delivery = next(iter(reversed(books.deliveries.list_all(destination=to, reference=reference))), None)
        addressing = self._addressing(books, delivery) if delivery is not None else None
        for version, published, sent in books.delivery_checks.renderings(to, reference):
            if sent is not None and same_content(read_content(sent), standing):
                return version
            if addressing is not None and delivery is not None:
                rendered = addressing.content(delivery, published)
            else:
                rendered = without_stamp(published)
            if same_content(read_content(rendered), standing):
                return version
        return None

    def _addressing(self, books: Books, delivery: Delivery) -> Addressing:
        neighbour = self._neighbour
        alone = ClaimedLane(neighbour.id, delivery.lane, 0, delivery.next_at, (delivery,))
        known = gather(books, neighbour.destination, self._capability, alone)
        return Addressing(neighbour.client.base, neighbour.destination, self._capability, known)
