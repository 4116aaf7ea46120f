"""Holds one destination for calls: its file, its client and what its server can do."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from fhir_pmp.ehr.capability.capability_verifier import CapabilityVerifier
from fhir_pmp.ehr.capability.server_capability import Capability, fetch_statement, read_capability
from fhir_pmp.ehr.config.destinations import Destination
from fhir_pmp.ehr.connection.readback import ReadBackMonitor
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import WireFailure
from fhir_pmp.identifiers import DestinationId


@dataclass
class EhrConnection:
    """A destination that can be called. Its CapabilityStatement is read again after a day."""

    destination: Destination
    client: EhrClient
    verifier: CapabilityVerifier | None = (
        None  # None: what the server says of its ways of writing is believed
    )
    readback: ReadBackMonitor | None = None  # None: what the server made of ours is not looked at
    _capability: Capability | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def id(self) -> DestinationId:
        """The destination's id."""
        return self.destination.id

    @property
    def connections(self) -> int:
        """How many connections we open to it at most."""
        return min(self.client.connections, self.destination.connections or self.client.connections)

    @property
    def last_capability(self) -> Capability | None:
        """What the server said it can do when it was last asked."""
        return self._capability

    def capability(self, now: datetime) -> Capability:
        """Returns what the server can do.

        Raises as `fetch_statement` and `verify_strategies` do, unless an older statement is usable.
        """
        with self._lock:
            if self._capability is None:
                self._capability = self._fetch(now)
            elif self._capability.is_old(now):
                try:
                    self._capability = self._fetch(now)
                except WireFailure as failure:
                    # It is down: what it said yesterday lets its deliveries be tried and age, unless it says when.
                    if failure.after_seconds is not None:
                        raise
            return self._capability

    def _fetch(self, now: datetime) -> Capability:
        statement = fetch_statement(self.client, now)
        capability = read_capability(statement, now)
        if self.verifier is None:
            return capability
        return replace(
            capability,
            verified=self.verifier.verify_strategies(self.client, self.destination, statement, now),
        )

    def forget_capability(self) -> None:
        """Drops the stored capability, so that the next push reads it again.

        Called when the write strategy turned out to be wrong.
        """
        with self._lock:
            self._capability = None
