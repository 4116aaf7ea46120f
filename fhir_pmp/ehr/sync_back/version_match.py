"""Finds which published version a destination holds, by comparing its content with all of ours."""

from collections.abc import Mapping
from typing import Any

from fhir_pmp.ehr.capability.server_capability import Capability
from fhir_pmp.ehr.config.content import read_content, same_content
from fhir_pmp.ehr.connection.ehr_connection import EhrConnection
from fhir_pmp.ehr.push.planning import load_snapshot
from fhir_pmp.ehr.push.write_builder import WriteBuilder
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.delivery.deliveries import ClaimedLane, Delivery
from fhir_pmp.store.delivery.sent_bytes import without_version_meta
from fhir_pmp.store.remote_state.reconciliation import ExpectedResource


class VersionMatcher:
    """Knows one destination, and what of ours would look like there."""

    def __init__(self, connection: EhrConnection, capability: Capability) -> None:
        self._connection = connection
        self._capability = capability

    def equals_last_sent(self, expected: ExpectedResource, found: Mapping[str, Any]) -> bool:
        """Whether what stands there is what was last sent."""
        return same_content(read_content(expected.sent_bytes), found)

    def version(
        self, uow: UnitOfWork, reference: str, expected: ExpectedResource | None, found: Mapping[str, Any]
    ) -> int | None:
        """The number of our version at the EHR, last sent first; None if foreign."""
        if expected is not None and self.equals_last_sent(expected, found):
            return expected.version
        to = self._connection.id
        delivery = next(iter(reversed(uow.deliveries.list_all(destination=to, reference=reference))), None)
        write_builder = self._write_builder(uow, delivery) if delivery is not None else None
        for version, published, sent in uow.delivery_checks.list_renderings(to, reference):
            if sent is not None and same_content(read_content(sent), found):
                return version
            if write_builder is not None and delivery is not None:
                rendered = write_builder.content(delivery, published)
            else:
                rendered = without_version_meta(published)
            if same_content(read_content(rendered), found):
                return version
        return None

    def _write_builder(self, uow: UnitOfWork, delivery: Delivery) -> WriteBuilder:
        connection = self._connection
        alone = ClaimedLane(connection.id, delivery.lane, 0, delivery.next_attempt_at, (delivery,))
        snapshot = load_snapshot(uow, connection.destination, self._capability, alone)
        return WriteBuilder(connection.client.base, connection.destination, self._capability, snapshot)
